# Millrace in a container, for linux/amd64 (the store's binary is prebuilt for it).
#
#   docker build -t millrace .
#   docker run -p 8383:8383 -v millrace-data:/data -v millrace-keys:/keys -e RS_API_TOKEN=change-me millrace
#
# /keys holds the key that tokens of replication targets are encrypted with in /data; back it up apart from /data.
#
# The container listens on all addresses, so it refuses to start without RS_API_TOKEN (or RS_DISABLE_AUTH=true, which
# gives full access to everyone who reaches it). All variables: docs/configuration.md.
#
# Node 24 needs glibc 2.38 or later for uWebSockets.js: Debian 13 has 2.41, Debian 12 has not.
FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Both native modules bring their binaries along: no install script, no compiler.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY workers ./workers
COPY bench ./bench
RUN npm run build
# Left is what the server loads: no development tools, no binaries for other platforms, no sources of native code.
RUN npm prune --omit=dev --omit=optional --ignore-scripts \
  && find node_modules/uWebSockets.js -name 'uws_*.node' \
    ! -name "uws_linux_x64_$(node -p process.versions.modules).node" -delete \
  && rm -rf node_modules/@nxtedition/rocksdb/deps node_modules/@nxtedition/rocksdb/prebuilds.zip \
  && node -e "require('uWebSockets.js'); require('@nxtedition/rocksdb')"

FROM node:24-trixie-slim
ENV NODE_ENV=production \
  RS_HOST=0.0.0.0 \
  RS_DATA_PATH=/data \
  MILLRACE_SECRET_KEY_PATH=/keys/millrace.key
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/workers ./dist/workers
COPY docker/healthcheck.mjs ./docker/
COPY LICENSE ./
# `docker exec … millrace …`
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/millrace
RUN mkdir /data /keys && chown node:node /data /keys && chmod 700 /keys
USER node
VOLUME /data /keys
EXPOSE 8383
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "/app/docker/healthcheck.mjs"]
# Without a shell or npm in between, so that SIGTERM reaches the server and it stops in order.
CMD ["node", "dist/src/main.js"]
