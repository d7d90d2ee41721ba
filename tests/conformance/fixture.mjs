// The server that the conformance suite wants to find behind the gateway: its tools, prompts and resources by the names
// the scenarios call, on the official TypeScript SDK. It has no Host or Origin check of its own, so a scenario about
// those passes only because of the gateway.
//   node fixture.mjs             stdio, both eras
//   node fixture.mjs --http N    Streamable HTTP on 127.0.0.1:N, sessions, by the SDK's own transport: the measure to compare with
import {randomUUID} from 'node:crypto';
import http from 'node:http';
import {setTimeout as pause} from 'node:timers/promises';
import modules from '../support/modules.cjs';

const {McpServer, ResourceTemplate} = modules('@modelcontextprotocol/server');
const {serveStdio} = modules('@modelcontextprotocol/server/stdio');
const {NodeStreamableHTTPServerTransport} = modules('@modelcontextprotocol/node');
const {z} = modules('zod');

// One red pixel, and 8 samples of silence.
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = (() => {
  const samples = Buffer.alloc(8, 128), head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  [[16, 4], [1, 2], [1, 2], [8000, 4], [8000, 4], [1, 2], [8, 2]].reduce((at, [value, size]) => {
    head.writeUIntLE(value, at, size);
    return at + size;
  }, 16);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]).toString('base64');
})();

const text = value => ({type: 'text', text: value});
const answer = (...content) => ({content});

function addPlainTools(server) {
  const tool = (name, description, run) => server.registerTool(name, {description, inputSchema: z.object({})}, run);
  tool('test_simple_text', 'Answers with one text', async () => answer(text('This is a simple text response for testing.')));
  tool('test_image_content', 'Answers with an image', async () => answer({type: 'image', data: PNG, mimeType: 'image/png'}));
  tool('test_audio_content', 'Answers with audio', async () => answer({type: 'audio', data: WAV, mimeType: 'audio/wav'}));
  tool('test_embedded_resource', 'Answers with a resource', async () => answer(
      {type: 'resource', resource: {uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.'}}));
  tool('test_multiple_content_types', 'Answers with three kinds of content', async () => answer(
      text('Multiple content types test:'), {type: 'image', data: PNG, mimeType: 'image/png'},
      {type: 'resource', resource: {uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}'}}));
  tool('test_error_handling', 'Always fails', async () => { throw new Error('This tool intentionally returns an error for testing'); });
  tool('test_tool_with_logging', 'Logs three times while it runs', async (_, context) => {
    await context.mcpReq.log('info', 'Tool execution started');
    await pause(50);
    await context.mcpReq.log('info', 'Tool processing data');
    await pause(50);
    await context.mcpReq.log('info', 'Tool execution completed');
    return answer(text('Logged three times'));
  });
  tool('test_tool_with_progress', 'Reports progress while it runs', async (_, context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) await context.mcpReq.notify({method: 'notifications/progress', params: {progressToken, progress, total: 100}});
      if (progress < 100) await pause(50);
    }
    return answer(text('Progress was reported'));
  });
  tool('test_reconnection', 'Closes its own stream in the middle of the call', async (_, context) => {
    context.http?.closeSSE?.();
    await pause(100);
    return answer(text('Answered after the stream was closed'));
  });
}

function addToolsThatAskTheClient(server) {
  server.registerTool('test_sampling', {description: 'Asks the client for a completion', inputSchema: z.object({prompt: z.string()})}, async ({prompt}, context) => {
    const result = await context.mcpReq.requestSampling({messages: [{role: 'user', content: text(prompt)}], maxTokens: 100});
    return answer(text(`LLM response: ${result.content.type === 'text' ? result.content.text : JSON.stringify(result.content)}`));
  });
  server.registerTool('test_elicitation', {description: 'Asks the user', inputSchema: z.object({message: z.string()})}, async ({message}, context) => {
    const result = await context.mcpReq.elicitInput({message, requestedSchema: {
      type: 'object', required: ['username', 'email'],
      properties: {username: {type: 'string', description: "User's response"}, email: {type: 'string', description: "User's email address"}}}});
    return answer(text(`User response: action: ${result.action}, content: ${JSON.stringify(result.content)}`));
  });
  const ask = (name, message, properties) => server.registerTool(name, {description: message, inputSchema: z.object({})}, async (_, context) => {
    const result = await context.mcpReq.elicitInput({message, requestedSchema: {type: 'object', properties, required: []}});
    return answer(text(`Elicitation completed: action=${result.action}, content=${JSON.stringify(result.content)}`));
  });
  ask('test_elicitation_sep1034_defaults', 'Defaults of every primitive type', {
    name: {type: 'string', default: 'John Doe'}, age: {type: 'integer', default: 30}, score: {type: 'number', default: 95.5},
    status: {type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active'}, verified: {type: 'boolean', default: true}});
  const options = ['option1', 'option2', 'option3'];
  const titled = word => [1, 2, 3].map(n => ({const: `value${n}`, title: `${['First', 'Second', 'Third'][n - 1]} ${word}`}));
  ask('test_elicitation_sep1330_enums', 'Every form of an enumeration', {
    untitledSingle: {type: 'string', enum: options}, titledSingle: {type: 'string', oneOf: titled('Option')},
    legacyEnum: {type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three']},
    untitledMulti: {type: 'array', items: {type: 'string', enum: options}}, titledMulti: {type: 'array', items: {anyOf: titled('Choice')}}});
}

function addPrompts(server) {
  const user = content => ({role: 'user', content});
  server.registerPrompt('test_simple_prompt', {description: 'No arguments'}, async () => ({messages: [user(text('This is a simple prompt for testing.'))]}));
  server.registerPrompt('test_prompt_with_arguments', {description: 'Two arguments', argsSchema: z.object({arg1: z.string(), arg2: z.string()})},
      async ({arg1, arg2}) => ({messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))]}));
  server.registerPrompt('test_prompt_with_embedded_resource', {description: 'Embeds a resource', argsSchema: z.object({resourceUri: z.string()})},
      async ({resourceUri}) => ({messages: [
        user({type: 'resource', resource: {uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.'}}),
        user(text('Please process the embedded resource above.'))]}));
  server.registerPrompt('test_prompt_with_image', {description: 'Holds an image'}, async () => ({messages: [
    user({type: 'image', data: PNG, mimeType: 'image/png'}), user(text('Please analyze the image above.'))]}));
}

function addResources(server) {
  const fixed = (name, uri, mimeType, content) =>
      server.registerResource(name, uri, {mimeType}, async () => ({contents: [{uri, mimeType, ...content}]}));
  fixed('static-text', 'test://static-text', 'text/plain', {text: 'This is the content of the static text resource.'});
  fixed('static-binary', 'test://static-binary', 'image/png', {blob: PNG});
  fixed('watched-resource', 'test://watched-resource', 'text/plain', {text: 'Watched'});
  server.registerResource('template', new ResourceTemplate('test://template/{id}/data', {list: undefined}), {mimeType: 'application/json'},
      async (uri, {id}) => ({contents: [{uri: uri.href, mimeType: 'application/json', text: JSON.stringify({id, templateTest: true, data: `Data for ID: ${id}`})}]}));
  server.server.setRequestHandler('resources/subscribe', async () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', async () => ({}));
  server.server.setRequestHandler('completion/complete', async () => ({completion: {values: ['test'], total: 1, hasMore: false}}));
}

function createServer() {
  const server = new McpServer({name: 'clawql-conformance-fixture', version: '1.0.0'}, {
    capabilities: {tools: {listChanged: true}, prompts: {listChanged: true}, resources: {subscribe: true, listChanged: true}, logging: {}, completions: {}}});
  addPlainTools(server);
  addToolsThatAskTheClient(server);
  addPrompts(server);
  addResources(server);
  return server;
}

async function serveHttp(port) {
  const sessions = new Map();
  http.createServer(async (request, response) => {
    const id = request.headers['mcp-session-id'];
    let transport = sessions.get(id);
    if (id && !transport) {
      response.writeHead(404, {'Content-Type': 'application/json'}).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
      return;
    }
    if (!transport) {
      transport = new NodeStreamableHTTPServerTransport({sessionIdGenerator: randomUUID, onsessioninitialized: known => sessions.set(known, transport)});
      transport.onclose = () => sessions.delete(transport.sessionId);
      await createServer().connect(transport);
    }
    await transport.handleRequest(request, response);
  }).listen(port, '127.0.0.1');
}

if (process.argv[2] === '--http') await serveHttp(Number(process.argv[3]));
else serveStdio(createServer);
