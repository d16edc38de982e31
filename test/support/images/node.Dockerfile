# Stands in for the official image `node`: this machine's node on Debian.
ARG BASE
FROM ${BASE}
COPY node /usr/local/bin/node
CMD ["node"]
