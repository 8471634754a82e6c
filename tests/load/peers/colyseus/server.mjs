// Colyseus in one process, in memory: a room whose members hear what one of them says.
// PORT; TUNED=1: no heartbeats, and state, of which there is none, is looked at once a second rather than twenty times.
import { createServer } from "node:http";
import { Room, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";

const port = Number(process.env.PORT);
const tuned = process.env.TUNED === "1";

class LineRoom extends Room {
  maxClients = 4;

  constructor(...args) {
    super(...args);
    if (tuned) this.patchRate = 1000;
  }

  onCreate() {
    this.onMessage("m", (client, line) => this.broadcast("m", line));
  }
}

const transport = new WebSocketTransport({ server: createServer(), ...(tuned && { pingInterval: 0 }) });
const server = new Server({ greet: false, transport });
server.define("room", LineRoom);
await server.listen(port, "127.0.0.1");
