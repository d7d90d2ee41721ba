// Drives a server with the client of the TypeScript SDK 1.x: `typescript_1.mjs http URL` or `… stdio COMMAND ARGS…`.
import modules from '../../support/modules.cjs';
import {ANSWERS, CAPABILITIES, fail, tryFeatures} from './features.mjs';

const {Client} = modules('@modelcontextprotocol/sdk/client/index.js');
const {StreamableHTTPClientTransport} = modules('@modelcontextprotocol/sdk/client/streamableHttp.js');
const {StdioClientTransport} = modules('@modelcontextprotocol/sdk/client/stdio.js');
const types = modules('@modelcontextprotocol/sdk/types.js');

async function main([kind, target, ...args]) {
  const client = new Client({name: 'interop-driver', version: '1.0.0'}, {capabilities: CAPABILITIES});
  client.setRequestHandler(types.CreateMessageRequestSchema, async () => ANSWERS.sampling);
  client.setRequestHandler(types.ElicitRequestSchema, async () => ANSWERS.elicitation);
  client.setRequestHandler(types.ListRootsRequestSchema, async () => ANSWERS.roots);
  const way = {updates: [], logs: []};
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, ({params}) => { way.updates.push(params.uri); });
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({params}) => { way.logs.push(String(params.data)); });
  way.subscribe = async uri => {
    await client.subscribeResource({uri});
    return () => client.unsubscribeResource({uri});
  };
  way.setLevel = async level => { if (client.getServerCapabilities().logging) await client.setLoggingLevel(level); };

  const transport = kind === 'http' ? new StreamableHTTPClientTransport(new URL(target)) : new StdioClientTransport({command: target, args, env: process.env, stderr: 'inherit'});
  await client.connect(transport);
  const {callTool} = client;
  client.callTool = (params, options) => callTool.call(client, params, undefined, options);  // its schema stands between in 1.x
  await tryFeatures(client, way);
  if (kind === 'http') await transport.terminateSession();
  await client.close();
}
main(process.argv.slice(2)).catch(fail);
