// The library `ws` and nothing around it: what Node.js can do at best. Speaks as build/floor does, see floor.c.
// PORT.
import { WebSocketServer } from "ws";

const rooms = new Map(); // name to the set of its connections
const server = new WebSocketServer({ port: Number(process.env.PORT), host: "127.0.0.1", perMessageDeflate: false });
const text = { binary: false };

server.on("connection", (socket, request) => {
  const name = request.url.slice("/?room=".length);
  const members = rooms.get(name) ?? new Set();
  rooms.set(name, members.add(socket));

  socket.on("message", (line) => {
    if (line.length === 1 && line[0] === 0x4c) return socket.close(); // "L"
    for (const member of members) member.send(line, text);
  });
  socket.on("close", () => {
    members.delete(socket);
    if (members.size === 0 && rooms.get(name) === members) rooms.delete(name);
  });
  socket.on("error", () => {});
  socket.send("J");
});
