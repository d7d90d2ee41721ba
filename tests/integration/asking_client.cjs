// A client on the official SDK that can be asked: node asking_client.cjs URL. Orders come as lines of JSON on stdin,
// {"call": name, "arguments": {…}} or {"list": true}; each is answered by one line, and every question of a server by
// one more, {"asked": …}. A sampling whose text holds "never" is not answered.
const modules = require('../support/modules.cjs');
const {Client} = modules('@modelcontextprotocol/sdk/client/index.js');
const {StreamableHTTPClientTransport} = modules('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = modules('@modelcontextprotocol/sdk/types.js');

const say = what => process.stdout.write(JSON.stringify(what) + '\n');
const client = new Client({name: 'asked', version: '1'},
                          {capabilities: {sampling: {}, elicitation: {form: {}}, roots: {listChanged: true}}});
client.setRequestHandler(types.CreateMessageRequestSchema, async ({params}) => {
  const text = params.messages[0].content.text;
  say({asked: 'sampling', text});
  if (text.includes('never')) await new Promise(() => {});
  return {role: 'assistant', model: 'none', content: {type: 'text', text: 'a completion'}};
});
client.setRequestHandler(types.ElicitRequestSchema, async ({params}) => {
  say({asked: 'elicitation', message: params.message});
  return {action: 'accept', content: {name: 'Ada', username: 'ada', email: 'ada@example.com'}};
});
client.setRequestHandler(types.ListRootsRequestSchema, async () => {
  say({asked: 'roots'});
  return {roots: [{uri: 'file:///home/ada', name: 'home'}]};
});

async function obey(order) {
  if (order.list) return {tools: (await client.listTools()).tools.map(tool => tool.name)};
  const result = await client.callTool({name: order.call, arguments: order.arguments ?? {}});
  return {text: result.content.map(part => part.text).join(''), isError: result.isError ?? false};
}

client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2]))).then(async () => {
  say({connected: true});
  for await (const line of require('node:readline').createInterface({input: process.stdin}))
    say(await obey(JSON.parse(line)).catch(error => ({error: error.message})));
  await client.transport.terminateSession();
  process.exit(0);
});
