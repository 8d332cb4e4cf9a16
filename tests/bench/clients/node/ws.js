'use strict';

// The peer `ws`, with JSON.parse and Buffer and nothing of a library around it: it does not reconnect, and loses what is
// in flight. The socket is corked, so that one write takes all that a chunk of messages was answered with.

const net = require('node:net');
const WebSocket = require('ws');
const { Meter, Payloads, websocketUrl, workloadOfArguments } = require('./workload.js');

/** Fills the window, and returns what handles a receipt. */
function sender(write, workload, meter) {
  const payloads = new Payloads(workload.size);
  const sentAt = new Float64Array(workload.window);
  let sent = 0;
  let confirmed = 0;
  const fill = () => {
    for (; sent - confirmed < workload.window; sent++) {
      if (sent % meter.timed === 0) sentAt[sent % workload.window] = performance.now();
      write(`{"payload":"${payloads.get(sent).toString('base64')}","context":"${sent}"}`);
    }
  };
  fill();
  return (text) => {
    const receipt = JSON.parse(text);
    if (receipt.result !== 'ok') throw new Error(text);
    const context = Number(receipt.context);
    if (context % meter.timed === 0) meter.latency(performance.now() - sentAt[context % workload.window]);
    confirmed++;
    fill();
  };
}

/** Returns what handles a message. */
function receiver(write) {
  return (text) => {
    const { messageId, payload } = JSON.parse(text);
    Buffer.from(payload, 'base64');
    write(`{"messageId":"${messageId}"}`);
  };
}

const workload = workloadOfArguments();
const { hostname, port } = new URL(workload.url);
const stream = net.connect({ host: hostname, port });
stream.setNoDelay(true);
const socket = new WebSocket(websocketUrl(workload), { createConnection: () => stream, perMessageDeflate: false });

let corked = false;
const write = (text) => {
  if (!corked) {
    corked = true;
    stream.cork();
    setImmediate(() => {
      corked = false;
      stream.uncork();
    });
  }
  socket.send(text);
};

socket.on('open', () => {
  const meter = new Meter(workload);
  const handle = (workload.role === 'send' ? sender : receiver)(write, workload, meter);
  socket.on('message', (data) => {
    handle(data.toString());
    if (meter.done(1)) return;
    socket.removeAllListeners('message');
    meter.report();
  });
});
socket.on('close', (code, reason) => {
  throw new Error(`closed: ${code} ${reason}`);
});
