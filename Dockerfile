# Builds the image from source, for the platform that is asked for: docker build --platform linux/arm64 .
# The program is compiled on the machine's own platform, so that another one needs no emulation. `make image` and `make release`
# make an image with the same files from what `make build` has built, without this file.
ARG GOLANG=golang:1.26
FROM --platform=$BUILDPLATFORM ${GOLANG} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ARG COMMIT=""
ARG SOURCE_DATE_EPOCH=0
RUN make build GOOS=$TARGETOS GOARCH=$TARGETARCH VERSION=$VERSION COMMIT=$COMMIT EPOCH=$SOURCE_DATE_EPOCH \
 && mkdir -p /out/var/lib/firelane \
 && chmod 1777 /out/var/lib/firelane \
 && cp -a deploy/image/. bin/firelane bin/licenses /out/

# The whole image is one static program; certificates and time zones are inside it. Links to it have the names and paths of the
# programs of the images that it replaces, and of those that health checks call. Every user may write to the folder of the queues.
FROM scratch
ARG VERSION=dev
ARG COMMIT=""
LABEL org.opencontainers.image.title="firelane" \
      org.opencontainers.image.description="A log router for ECS FireLens, in place of Fluent Bit or Fluentd" \
      org.opencontainers.image.source="https://github.com/firelane/firelane" \
      org.opencontainers.image.documentation="https://github.com/firelane/firelane/blob/main/README.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /out/ /
ENTRYPOINT ["/firelane"]
