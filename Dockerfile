# The whole image is one static program, which `make build` puts into bin/. Certificates and time zones are inside it.
FROM scratch
COPY bin/firelane /firelane
ENTRYPOINT ["/firelane"]
