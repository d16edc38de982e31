// Run by docker inside the container: node healthcheck.mjs PORT [PATH]. Healthy is a service that answers, with no error of its own.
import http from "node:http";

const [port, path = "/"] = process.argv.slice(2);
const request = http.get({ host: "127.0.0.1", port, path, headers: { host: "localhost" }, timeout: 4000 }, (response) => {
  process.stdout.write(`${response.statusCode}`);
  process.exit(response.statusCode < 500 ? 0 : 1);
});
request.on("timeout", () => request.destroy(new Error("no answer within 4 s")));
request.on("error", (error) => {
  process.stdout.write(error.message);
  process.exit(1);
});
