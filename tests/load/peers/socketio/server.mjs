// Socket.IO with the adapter that joins several processes over streams in Redis. Like Heya, and unlike the others here,
// it lets the members of a room be connected to different processes.
// PORT; REDIS: its URL.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const redis = createClient({ url: process.env.REDIS });
await redis.connect();

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false, adapter: createAdapter(redis) });

io.on("connection", (socket) => {
  let room = null;
  socket.on("j", (name, done) => {
    room = name;
    socket.join(name);
    done();
  });
  socket.on("l", (done) => {
    if (room !== null) socket.leave(room);
    room = null;
    done();
  });
  socket.on("m", (line) => io.to(room).emit("m", line));
});

http.listen(Number(process.env.PORT), "127.0.0.1");
