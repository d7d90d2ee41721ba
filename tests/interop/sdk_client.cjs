// A client on the official TypeScript SDK: `sdk_client.cjs http URL`, `… sse URL` or `… stdio COMMAND ARGS…`. Reads
// requests as JSON lines on stdin ({"list":true} or {"call":NAME,"arguments":{…}}), writes each result as one line.
const modules = require('../support/modules.cjs');
const {Client} = modules('@modelcontextprotocol/sdk/client/index.js');
const {StreamableHTTPClientTransport} = modules('@modelcontextprotocol/sdk/client/streamableHttp.js');
const {SSEClientTransport} = modules('@modelcontextprotocol/sdk/client/sse.js');
const {StdioClientTransport} = modules('@modelcontextprotocol/sdk/client/stdio.js');

async function main() {
  const [kind, target, ...args] = process.argv.slice(2);
  const transport = kind === 'http' ? new StreamableHTTPClientTransport(new URL(target))
    : kind === 'sse' ? new SSEClientTransport(new URL(target))
    : new StdioClientTransport({command: target, args, env: process.env, stderr: 'inherit'});
  const client = new Client({name: 'sdk-client', version: '1'});
  await client.connect(transport);
  for await (const line of require('node:readline').createInterface({input: process.stdin})) {
    const wish = JSON.parse(line);
    const result = wish.list ? await client.listTools() : await client.callTool({name: wish.call, arguments: wish.arguments});
    console.log(JSON.stringify(result));
  }
  if (kind === 'http') await transport.terminateSession();
  await client.close();
}
main().catch(problem => {
  console.error(problem);
  process.exit(1);
});
