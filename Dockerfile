# The whole image is one static program, which `make build` puts into bin/, with the licences of all that is in it and a
# bill of materials; certificates and time zones are inside it.
# sh, nc and curl are links to it, which the health checks of task definitions call; so are the programs and entry points of the
# images that it replaces, by their paths.
FROM scratch
COPY deploy/image/ /
COPY bin/firelane /firelane
COPY bin/licenses/ /licenses/
ENTRYPOINT ["/firelane"]
