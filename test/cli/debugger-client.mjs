// A debugger, as far as a test needs one: attaches to the port it is given, answers on stdout where the program stopped first, and
// what an expression is at the first breakpoint, and lets the program go on. Needs node --experimental-websocket on Node 20.
const [port, breakAt, expression] = process.argv.slice(2);
const [target] = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
const socket = new WebSocket(target.webSocketDebuggerUrl);
const answers = new Map();
const scripts = new Map();
const stops = [];
let lastId = 0;

function send(method, params = {}) {
  return new Promise((resolve) => {
    answers.set(++lastId, resolve);
    socket.send(JSON.stringify({ id: lastId, method, params }));
  });
}

async function stopped({ callFrames: [frame] }) {
  const script = scripts.get(frame.location.scriptId);
  const stop = { function: frame.functionName, sources: sourcesOf(script) };
  if (stops.length === 0) {
    const { scriptSource } = await send('Debugger.getScriptSource', { scriptId: script.scriptId });
    const lineNumber = scriptSource.split('\n').findIndex((line) => line.includes(breakAt));
    await send('Debugger.setBreakpoint', { location: { scriptId: script.scriptId, lineNumber } });
  } else {
    stop.value = (
      await send('Debugger.evaluateOnCallFrame', { callFrameId: frame.callFrameId, expression, returnByValue: true })
    ).result.value;
  }
  stops.push(stop);
  await send('Debugger.resume');
}

/** The files that the script was made from, by its source map. */
function sourcesOf({ sourceMapURL }) {
  return JSON.parse(Buffer.from(sourceMapURL.split('base64,')[1], 'base64').toString()).sources;
}

socket.onmessage = ({ data }) => {
  const { id, result, method, params } = JSON.parse(data);
  if (id) answers.get(id)(result);
  else if (method === 'Debugger.scriptParsed') scripts.set(params.scriptId, params);
  else if (method === 'Debugger.paused') void stopped(params);
  // The program is done, and waits for us to leave.
  else if (method === 'Runtime.executionContextDestroyed' || method === 'NodeRuntime.waitingForDisconnect')
    socket.close();
};
socket.onclose = () => {
  process.stdout.write(JSON.stringify(stops));
  process.exit(0);
};
await new Promise((resolve) => (socket.onopen = resolve));
await send('NodeRuntime.notifyWhenWaitingForDisconnect', { enabled: true });
await send('Runtime.enable');
await send('Debugger.enable');
await send('Runtime.runIfWaitingForDebugger');
