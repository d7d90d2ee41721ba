// The server that the conformance suite wants to find behind the gateway: its tools, prompts and resources by the names
// the scenarios call, in both eras, on the official TypeScript SDK. It has no Host or Origin check of its own, so a
// scenario about those passes only because of the gateway.
//   node fixture.mjs             stdio; the SDK serves the era of the first request for the life of the process
//   node fixture.mjs --http N    Streamable HTTP on 127.0.0.1:N, both eras, by the SDK's own transports: the measure to compare with
import {McpServer, serveStdio, states} from './fixture/sdk.mjs';
import {addToolsThatAskTheClient} from './fixture/asking.mjs';
import {addPlainTools, addPrompts, addResources} from './fixture/plain.mjs';
import {serveHttp} from './fixture/served_over_http.mjs';

// `announce.tools()` and `announce.prompts()` tell every subscriber that the list has changed; without them the server
// tells its own connection.
function createServer(announce) {
  const server = new McpServer({name: 'clawql-conformance-fixture', version: '1.0.0'}, {
    capabilities: {tools: {listChanged: true}, prompts: {listChanged: true}, resources: {subscribe: true, listChanged: true}, logging: {}, completions: {}},
    requestState: {verify: states.verify}});
  addPlainTools(server, announce ?? {tools: () => server.sendToolListChanged(), prompts: () => server.sendPromptListChanged()});
  addToolsThatAskTheClient(server);
  addPrompts(server);
  addResources(server);
  return server;
}

if (process.argv[2] === '--http') serveHttp(Number(process.argv[3]), createServer);
else serveStdio(() => createServer());
