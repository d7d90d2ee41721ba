// Drives a server with the client of the TypeScript SDK 2.x, in the era of its first argument (legacy, modern):
// `typescript_2.mjs ERA http URL` or `… ERA stdio COMMAND ARGS…`.
import modules from '../../support/modules.cjs';
import {ANSWERS, CAPABILITIES, fail, tryFeatures} from './features.mjs';

const {Client, StreamableHTTPClientTransport} = modules('@modelcontextprotocol/client');
const {StdioClientTransport} = modules('@modelcontextprotocol/client/stdio');

async function main([era, kind, target, ...args]) {
  const mode = era === 'modern' ? {pin: '2026-07-28'} : 'legacy';
  const client = new Client({name: 'interop-driver', version: '1.0.0'}, {capabilities: CAPABILITIES, versionNegotiation: {mode}});
  client.setRequestHandler('sampling/createMessage', async () => ANSWERS.sampling);
  client.setRequestHandler('elicitation/create', async () => ANSWERS.elicitation);
  client.setRequestHandler('roots/list', async () => ANSWERS.roots);
  const way = {updates: [], logs: []};
  client.setNotificationHandler('notifications/resources/updated', ({params}) => { way.updates.push(params.uri); });
  client.setNotificationHandler('notifications/message', ({params}) => { way.logs.push(String(params.data)); });
  way.subscribe = async uri => {
    if (era === 'modern') {
      const subscription = await client.listen({resourceSubscriptions: [uri]});
      if (!subscription.honoredFilter.resourceSubscriptions?.includes(uri)) throw new Error('the server grants no subscription');
      return () => subscription.close();
    }
    await client.subscribeResource({uri});
    return () => client.unsubscribeResource({uri});
  };
  way.setLevel = async level => {
    if (era === 'modern') return {'io.modelcontextprotocol/logLevel': level};
    if (client.getServerCapabilities().logging) await client.setLoggingLevel(level);
    return undefined;
  };

  const transport = kind === 'http' ? new StreamableHTTPClientTransport(new URL(target)) : new StdioClientTransport({command: target, args, env: process.env, stderr: 'inherit'});
  await client.connect(transport);
  await tryFeatures(client, way);
  if (kind === 'http' && era === 'legacy') await transport.terminateSession();
  await client.close();
}
main(process.argv.slice(2)).catch(fail);
