# Builds the binary and puts it, alone, into a small image that runs as nobody in particular.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update -q && apt-get install -qy --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --locked --release -p lakegate --bin lakegate && cp target/release/lakegate /lakegate

FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -qy --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home lakegate
COPY --from=build /lakegate /usr/local/bin/lakegate
USER lakegate
# The configuration and its rules are mounted here; relative paths in it start here.
WORKDIR /etc/lakegate
EXPOSE 5432
ENTRYPOINT ["lakegate"]
CMD ["serve", "--config", "/etc/lakegate/lakegate.toml"]
