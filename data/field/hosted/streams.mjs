// One HTTP/2 connection: RATE streams a second that are never answered, up to MOST, and KEEP requests a second that are.
import { connect } from "node:http2";
import process from "node:process";

const [port, rate, most, keep] = process.argv.slice(2).map(Number);
const session = connect(`http://127.0.0.1:${port}`);
let open = 0;
const post = (path, size) => {
  const stream = session.request({ ":method": "POST", ":path": path });
  stream.on("error", () => {});
  stream.resume();
  stream.end("x".repeat(size));
};
setInterval(() => {
  for (let one = 0; one < rate && open < most; one++, open++) post("/wait", 9000);
  for (let one = 0; one < keep; one++) post("/keep", 10);
  console.log(open);
}, 1000);
