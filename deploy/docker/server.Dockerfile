# The coordinator, from the packages that deploy/package.sh makes:
#   docker build -f deploy/docker/server.Dockerfile -t federity-server .
#   docker run -p 8443:8443 -v federity:/var/lib/federity -v federity-key:/var/lib/federity-key \
#     federity-server --public federity.example.org:8443
FROM debian:12-slim
COPY build/packages/federity_*.deb build/packages/federity-server_*.deb /tmp/
# The coordinator makes a database cluster of its own; Debian's would only lie there.
RUN apt-get update \
 && apt-get install -y --no-install-recommends postgresql-common \
 && sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
      /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends /tmp/federity_*.deb /tmp/federity-server_*.deb \
 && rm -rf /tmp/*.deb /var/lib/apt/lists/*
USER federity
# The key that wraps every secret lies beside the data: back both up, apart.
VOLUME /var/lib/federity /var/lib/federity-key
EXPOSE 8443
# It serves, and its port takes connections.
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$(cat /var/lib/federity/port)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/federity-server", "run", "--config", "/etc/federity/server.toml"]
