# Builds one static binary and puts it, alone, into an empty image that runs as nobody in particular.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update -q && apt-get install -qy --no-install-recommends build-essential ca-certificates libprotobuf-dev protobuf-compiler \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN make release && cp "$(make -s release-binary)" /lakegate
# Where the demo keeps its tables and queries spill: an empty image has no folder that anybody may write to.
RUN mkdir -p /empty/data /empty/tmp && chown -R 10001:10001 /empty

FROM scratch
COPY --from=build /lakegate /usr/local/bin/lakegate
# Object stores and catalogs are reached over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=10001:10001 /empty/data /data
COPY --from=build --chown=10001:10001 /empty/tmp /tmp
USER 10001:10001
ENV PATH=/usr/local/bin
# The configuration and its rules are mounted here; relative paths in it start here.
WORKDIR /etc/lakegate
# PostgreSQL, Flight SQL, REST.
EXPOSE 5432 50051 8080
ENTRYPOINT ["/usr/local/bin/lakegate"]
CMD ["serve", "--config", "/etc/lakegate/lakegate.toml"]
