# The agent, from the packages that deploy/package.sh makes:
#   docker build -f deploy/docker/agent.Dockerfile -t federity-agent .
#   docker run -d --name federity-agent -v federity-agent:/var/lib/federity-agent \
#     -v /srv/patients:/data:ro federity-agent
#   docker exec -it federity-agent federity-agent join 'federity://…'
# Let the user of the container read the data: `docker run --rm --entrypoint id …`.
FROM debian:12-slim
COPY build/packages/federity_*.deb build/packages/federity-agent_*.deb /tmp/
RUN apt-get update \
 && apt-get install -y --no-install-recommends libopenblas0-pthread \
      /tmp/federity_*.deb /tmp/federity-agent_*.deb \
 && rm -rf /tmp/*.deb /var/lib/apt/lists/*
USER federity-agent
# Where the commands look without a flag too.
ENV XDG_STATE_HOME=/var/lib
VOLUME /var/lib/federity-agent
# The daemon answers on its socket, whatever the coordinator does.
HEALTHCHECK --start-period=10s --interval=30s --timeout=10s \
  CMD ["sh", "-c", "federity-agent status --json | grep -q '\"running\": *true'"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/federity-agent"]
CMD ["run", "--config", "/etc/federity/agent.toml"]
