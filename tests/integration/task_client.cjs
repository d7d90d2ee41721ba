// A client on the official SDK that runs a tool as a task: node task_client.cjs URL TOOL ARGUMENTS, or with `-` and a
// command in the place of URL (`"- clawql stdio …"`). Says line by line what happens: {"declared": …}, {"taskCreated": …},
// {"taskStatus": …}, {"asked": …}, {"status": …} (a notification), {"result": …} or {"error": …}, and {"listed": [ids]}.
const modules = require('../support/modules.cjs');
const {Client} = modules('@modelcontextprotocol/sdk/client/index.js');
const {StreamableHTTPClientTransport} = modules('@modelcontextprotocol/sdk/client/streamableHttp.js');
const {StdioClientTransport} = modules('@modelcontextprotocol/sdk/client/stdio.js');
const types = modules('@modelcontextprotocol/sdk/types.js');

const [where, tool, given] = process.argv.slice(2);
const say = what => process.stdout.write(JSON.stringify(what) + '\n');
const client = new Client({name: 'tasks', version: '1'}, {capabilities: {elicitation: {form: {}}}, defaultTaskPollInterval: 50});
client.setRequestHandler(types.ElicitRequestSchema, async ({params}) => {
  say({asked: params.message, task: params._meta?.['io.modelcontextprotocol/related-task']?.taskId});
  return {action: 'accept', content: {interpretation: 'technical'}};
});
client.setNotificationHandler(types.TaskStatusNotificationSchema, ({params}) => say({status: params.status, task: params.taskId}));

function transport() {
  if (!where.startsWith('-')) return new StreamableHTTPClientTransport(new URL(where));
  const [command, ...args] = where.slice(1).trim().split(' ');
  return new StdioClientTransport({command, args, env: process.env});
}

async function toolIsListed() {
  for (;;) {
    const found = (await client.listTools()).tools.find(each => each.name === tool);
    if (found) return found;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

(async () => {
  await client.connect(transport());
  const found = await toolIsListed();
  say({declared: client.getServerCapabilities().tasks ?? null, taskSupport: found.execution?.taskSupport ?? null});
  const options = {onprogress: progress => say({progress: progress.progress})};
  for await (const message of client.experimental.tasks.callToolStream({name: tool, arguments: JSON.parse(given)}, undefined, options))
    say({[message.type]: message.task ?? message.result ?? message.error?.message});
  say({listed: (await client.experimental.tasks.listTasks()).tasks.map(task => task.taskId)});
  if (client.transport.terminateSession) await client.transport.terminateSession();
  await client.close();
  process.exit(0);
})().catch(error => {
  say({error: error.message});
  process.exit(1);
});
