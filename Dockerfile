# Node's current LTS runs the sources as they are; the embedded engine stays out, the container has a server.
FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY tsconfig.json ./
COPY schema schema
COPY src src
USER node
EXPOSE 4317 4318 8080
CMD ["node", "src/main.ts", "serve"]
