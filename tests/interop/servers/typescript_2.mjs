// The features of the matrix on the official TypeScript SDK 2.x, both eras: `node typescript_2.mjs NAME` serves stdio.
// What needs the client is written once, as a result that asks; the SDK makes requests of it in the handshake era.
import {setTimeout as pause} from 'node:timers/promises';
import modules from '../../support/modules.cjs';

const {McpServer, ResourceTemplate, completable, inputRequired} = modules('@modelcontextprotocol/server');
const {serveStdio} = modules('@modelcontextprotocol/server/stdio');
const {z} = modules('zod');

const name = process.argv[2];
const note = `interop://${name}/note`;
const text = value => ({content: [{type: 'text', text: value}]});
const cancelled = new Set();

async function report(context, progress, total) {
  const progressToken = context.mcpReq._meta?.progressToken;
  if (progressToken !== undefined) await context.mcpReq.notify({method: 'notifications/progress', params: {progressToken, progress, ...(total && {total})}});
}

function addTools(server, tell) {
  const tool = (toolName, description, inputSchema, run) => server.registerTool(toolName, {description, inputSchema: z.object(inputSchema)}, run);
  tool('echo', 'Answers with its message', {message: z.string()}, async ({message}) => text(message));
  const ask = (toolName, description, request, finish) => tool(toolName, description, {}, async (_, context) => {
    const given = context.mcpReq.inputResponses?.asked;
    return given === undefined ? inputRequired({inputRequests: {asked: request}}) : text(finish(given));
  });
  ask('ask_sampling', 'Asks the client for a completion',
      inputRequired.createMessage({messages: [{role: 'user', content: {type: 'text', text: 'Say something'}}], maxTokens: 20}), ({content}) => `sampled: ${content.text}`);
  ask('ask_elicitation', 'Asks the user for a name',
      inputRequired.elicit({message: 'Your name?', requestedSchema: {type: 'object', properties: {name: {type: 'string'}}, required: ['name']}}),
      ({action, content}) => `${action}: ${content?.name}`);
  ask('ask_roots', 'Asks the client for its roots', inputRequired.listRoots(), ({roots}) => `roots: ${roots.map(root => root.uri).join(' ')}`);
  tool('count', 'Reports progress three times', {}, async (_, context) => {
    for (const progress of [1, 2, 3]) await report(context, progress, 3);
    await pause(400);  // a client of this SDK drops progress that it reads together with the answer
    return text('counted');
  });
  tool('wait', 'Reports progress once, then waits to be cancelled', {mark: z.string()}, async ({mark}, context) => {
    await report(context, 1);
    await new Promise(resolve => {
      const timer = setTimeout(resolve, 20_000);
      context.mcpReq.signal.addEventListener('abort', () => { cancelled.add(mark); clearTimeout(timer); resolve(); });
    });
    return text('waited');
  });
  tool('was_cancelled', 'Whether that wait was cancelled', {mark: z.string()}, async ({mark}) => text(cancelled.has(mark) ? 'yes' : 'no'));
  tool('touch', 'Changes the note', {}, async () => { await tell(); return text('touched'); });
  tool('log', 'Writes one log message', {}, async (_, context) => {
    await context.mcpReq.log('info', `logged by ${name}`, name);
    return text('logged');
  });
}

function createServer({era}) {
  const server = new McpServer({name: `interop-${name}`, version: '1.0.0'}, {
    capabilities: {tools: {listChanged: true}, resources: {subscribe: true}, logging: {}, completions: {}}});
  const subscribed = new Set();
  addTools(server, async () => {  // in 2026-07-28 the SDK itself knows who listens to what
    if (era === 'modern' || subscribed.has(note)) await server.server.sendResourceUpdated({uri: note});
  });
  server.registerResource('note', note, {mimeType: 'text/plain'}, async () => ({contents: [{uri: note, text: `note of ${name}`}]}));
  server.registerResource('item', new ResourceTemplate(`interop://${name}/item/{id}`, {list: undefined}), {mimeType: 'text/plain'},
      async (uri, {id}) => ({contents: [{uri: uri.href, text: `item ${id} of ${name}`}]}));
  server.server.setRequestHandler('resources/subscribe', async ({params}) => { subscribed.add(params.uri); return {}; });
  server.server.setRequestHandler('resources/unsubscribe', async ({params}) => { subscribed.delete(params.uri); return {}; });
  server.registerPrompt('greet', {description: 'A greeting', argsSchema: z.object({who: completable(z.string(), value => ['Ada', 'Alan', 'Grace'].filter(one => one.startsWith(value)))})},
      async ({who}) => ({messages: [{role: 'user', content: {type: 'text', text: `Greet ${who} from ${name}`}}]}));
  return server;
}

serveStdio(createServer);
