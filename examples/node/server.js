// A page, a health check and a WebSocket, and an orderly end.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import express from "express";
import { WebSocketServer } from "ws";

const version = readFileSync(new URL("version.txt", import.meta.url), "utf8").trim();

const app = express();
app.disable("x-powered-by");
app.get("/", (_request, response) => response.type("text").send(`${version}\nnode ${process.version}\n`));
app.get("/health", (_request, response) => response.type("text").send("ok\n"));

const server = createServer(app);
const sockets = new WebSocketServer({ server, path: "/echo", maxPayload: 64 * 1024 });
sockets.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(`${version}: ${data}`));
  socket.on("error", (error) => console.error(`websocket: ${error.message}`));
});

const host = process.env.HOST ?? "127.0.0.1";
const port = Number(process.env.PORT ?? 8000);
server.listen(port, host, () => console.log(`${version} listens on ${host}:${server.address().port}`));

process.once("SIGTERM", () => {
  console.log("SIGTERM: finishing what has begun");
  server.close(() => console.log("closed"));
  server.closeIdleConnections();
  for (const socket of sockets.clients) socket.close(1001, "a new version took over");
});
