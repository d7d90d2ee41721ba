// Tries every feature of a plan with a TypeScript client, whichever SDK it is from, and writes one JSON line a feature:
// {server, feature, ok, why}. The plan is on stdin: a list of {server, feature, …} (see ../plan.py).
import {json} from 'node:stream/consumers';

const PATIENCE = 20_000;

export const ANSWERS = {
  sampling: {role: 'assistant', model: 'driver', content: {type: 'text', text: 'answered by the client'}},
  elicitation: {action: 'accept', content: {name: 'Ada'}},
  roots: {roots: [{uri: 'file:///interop/root', name: 'root'}]},
};
export const CAPABILITIES = {sampling: {}, elicitation: {}, roots: {listChanged: true}};

// Also for lists: a server that starts with this client's session may come into them a moment later.
function until(check, what, patience = PATIENCE) {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const look = async () => {
      try {
        if (await check()) resolve();
        else if (Date.now() - started > patience) reject(new Error(`not within ${patience / 1000} s: ${what}`));
        else setTimeout(look, 20);
      } catch (problem) {
        reject(problem);
      }
    };
    look();
  });
}

const need = (truth, what) => { if (!truth) throw new Error(what); };
const textOf = result => (result.content ?? []).map(part => part.text ?? '').join('');

async function called(client, check, options = {}) {
  const {tool, arguments: given = {}, meta} = check;
  const result = await client.callTool({name: tool, arguments: given, ...(meta && {_meta: meta})}, options);
  need(!result.isError, `the tool answered: ${textOf(result)}`);
  if (check.expect !== undefined) need(textOf(result).includes(check.expect), `the tool answered ${JSON.stringify(textOf(result))}`);
  return result;
}

// `way`: {call(check, options), subscribe(uri) → unsubscribe, setLevel(level) → _meta of calls, updates, logs}: what differs between SDKs and eras.
const FEATURES = {
  async tools(client, check, way) {
    await until(async () => (await client.listTools()).tools.some(tool => tool.name === check.tool), `${check.tool} is listed`);
    await way.call(check);
  },
  async resources(client, check) {
    await until(async () => (await client.listResources()).resources.some(resource => resource.uri === check.uri), `${check.uri} is listed`);
    await until(async () => (await client.listResourceTemplates()).resourceTemplates.some(template => template.uriTemplate === check.template), `${check.template} is listed`);
    for (const [uri, expect] of [[check.uri, check.expect], [check.item, check.itemExpect]]) {
      const {contents} = await client.readResource({uri});
      need(contents[0]?.text?.includes(expect), `${uri} is ${JSON.stringify(contents)}`);
    }
  },
  async prompts(client, check) {
    await until(async () => (await client.listPrompts()).prompts.some(prompt => prompt.name === check.prompt), `${check.prompt} is listed`);
    const {messages} = await client.getPrompt({name: check.prompt, arguments: check.arguments});
    need(messages[0].content.text.includes(check.expect), `the prompt is ${JSON.stringify(messages)}`);
  },
  sampling: (client, check, way) => way.call(check),
  elicitation: (client, check, way) => way.call(check),
  roots: (client, check, way) => way.call(check),
  async progress(client, check, way) {
    const seen = [];
    await way.call(check, {onprogress: ({progress}) => seen.push(progress)});
    await until(() => seen.length >= check.least, `${check.least} progress notifications (${seen.length} came)`, 3000);
  },
  async cancellation(client, check, way) {
    const abort = new AbortController();
    let running = false;
    const call = way.call(check, {signal: abort.signal, onprogress: () => { running = true; }}).then(() => 'answered', problem => problem);
    await until(() => running, 'the call is running');
    abort.abort('enough');
    need(await call !== 'answered', 'the cancelled call was answered');
    if (check.observe) await until(async () => textOf(await way.call({...check.observe, expect: undefined})).includes(check.observe.expect), 'the server saw the cancellation', 8000);
    else await way.call(check.afterwards);
  },
  async subscriptions(client, check, way) {
    const unsubscribe = await way.subscribe(check.uri);
    try {
      await way.call(check);
      await until(() => way.updates.includes(check.uri), 'the update of the resource', check.patience * 1000);
    } finally {
      if (check.afterwards) await way.call(check.afterwards);
      await unsubscribe();
    }
  },
  async logging(client, check, way) {
    const meta = await way.setLevel(check.level);
    try {
      await way.call({...check, expect: undefined, meta});
      await until(() => way.logs.some(data => data.includes(check.expect)), 'the log message', 8000);
    } finally {
      if (check.afterwards) await way.call(check.afterwards);
    }
  },
  async completion(client, check) {
    const {completion} = await client.complete({ref: check.ref, argument: check.argument});
    need(completion.values.includes(check.expect), `completed with ${JSON.stringify(completion.values)}`);
  },
};

export async function tryFeatures(client, way) {
  way.call ??= (check, options) => called(client, check, options);
  for (const check of await json(process.stdin)) {
    let why = '';
    try {
      await FEATURES[check.feature](client, check, way);
    } catch (problem) {
      why = String(problem?.message ?? problem).replace(/\s+/g, ' ').slice(0, 300) || 'failed without a message';
    }
    process.stdout.write(JSON.stringify({server: check.server, feature: check.feature, ok: !why, why}) + '\n');
  }
}

export function fail(problem) {
  console.error(problem);
  process.exit(1);
}
