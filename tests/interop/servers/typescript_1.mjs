// The features of the matrix on the official TypeScript SDK 1.x, the handshake era alone: `node typescript_1.mjs NAME`
// serves stdio. NAME is in every text and URI, so that servers behind one gateway can be told apart.
import {setTimeout as pause} from 'node:timers/promises';
import modules from '../../support/modules.cjs';

const {McpServer, ResourceTemplate} = modules('@modelcontextprotocol/sdk/server/mcp.js');
const {StdioServerTransport} = modules('@modelcontextprotocol/sdk/server/stdio.js');
const {completable} = modules('@modelcontextprotocol/sdk/server/completable.js');
const {SubscribeRequestSchema, UnsubscribeRequestSchema} = modules('@modelcontextprotocol/sdk/types.js');
const {z} = modules('zod');

const name = process.argv[2];
const note = `interop://${name}/note`;
const text = value => ({content: [{type: 'text', text: value}]});
const server = new McpServer({name: `interop-${name}`, version: '1.0.0'}, {
  capabilities: {tools: {listChanged: true}, resources: {subscribe: true}, logging: {}, completions: {}}});
const subscribed = new Set(), cancelled = new Set();

server.registerTool('echo', {description: 'Answers with its message', inputSchema: {message: z.string()}}, ({message}) => text(message));
server.registerTool('ask_sampling', {description: 'Asks the client for a completion'}, async () => {
  const {content} = await server.server.createMessage({messages: [{role: 'user', content: {type: 'text', text: 'Say something'}}], maxTokens: 20});
  return text(`sampled: ${content.text}`);
});
server.registerTool('ask_elicitation', {description: 'Asks the user for a name'}, async () => {
  const {action, content} = await server.server.elicitInput({message: 'Your name?', requestedSchema: {type: 'object', properties: {name: {type: 'string'}}, required: ['name']}});
  return text(`${action}: ${content?.name}`);
});
server.registerTool('ask_roots', {description: 'Asks the client for its roots'}, async () => {
  const {roots} = await server.server.listRoots();
  return text(`roots: ${roots.map(root => root.uri).join(' ')}`);
});
server.registerTool('count', {description: 'Reports progress three times'}, async extra => {
  for (const progress of [1, 2, 3]) await report(extra, progress, 3);
  await pause(400);  // a client of this SDK drops progress that it reads together with the answer
  return text('counted');
});
server.registerTool('wait', {description: 'Reports progress once, then waits to be cancelled', inputSchema: {mark: z.string()}}, async ({mark}, extra) => {
  await report(extra, 1);
  await new Promise(resolve => {
    const timer = setTimeout(resolve, 20_000);
    extra.signal.addEventListener('abort', () => { cancelled.add(mark); clearTimeout(timer); resolve(); });
  });
  return text('waited');
});
server.registerTool('was_cancelled', {description: 'Whether that wait was cancelled', inputSchema: {mark: z.string()}}, ({mark}) => text(cancelled.has(mark) ? 'yes' : 'no'));
server.registerTool('touch', {description: 'Changes the note'}, async () => {
  if (subscribed.has(note)) await server.server.sendResourceUpdated({uri: note});
  return text('touched');
});
server.registerTool('log', {description: 'Writes one log message'}, async () => {
  await server.sendLoggingMessage({level: 'info', logger: name, data: `logged by ${name}`});
  return text('logged');
});

async function report(extra, progress, total) {
  const progressToken = extra._meta?.progressToken;
  if (progressToken !== undefined) await extra.sendNotification({method: 'notifications/progress', params: {progressToken, progress, ...(total && {total})}});
}

server.registerResource('note', note, {mimeType: 'text/plain'}, async () => ({contents: [{uri: note, text: `note of ${name}`}]}));
server.registerResource('item', new ResourceTemplate(`interop://${name}/item/{id}`, {list: undefined}), {mimeType: 'text/plain'},
    async (uri, {id}) => ({contents: [{uri: uri.href, text: `item ${id} of ${name}`}]}));
server.server.setRequestHandler(SubscribeRequestSchema, async ({params}) => { subscribed.add(params.uri); return {}; });
server.server.setRequestHandler(UnsubscribeRequestSchema, async ({params}) => { subscribed.delete(params.uri); return {}; });
server.registerPrompt('greet', {description: 'A greeting', argsSchema: {who: completable(z.string(), value => ['Ada', 'Alan', 'Grace'].filter(one => one.startsWith(value)))}},
    ({who}) => ({messages: [{role: 'user', content: {type: 'text', text: `Greet ${who} from ${name}`}}]}));

await server.connect(new StdioServerTransport());
