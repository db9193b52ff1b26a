/** What the mock engines say, as vLLM and SGLang say it. */

const text = 'The quick brown fox jumps over the lazy dog and keeps on running. ';
const choices = `"choices":[{"index":0,"message":{"role":"assistant","content":"${text}"},"logprobs":null,"finish_reason":"stop"}]`;
const usage = '"usage":{"prompt_tokens":100,"total_tokens":120,"completion_tokens":20}';
const handover =
  '"kv_transfer_params":{"do_remote_prefill":true,"do_remote_decode":false,"remote_block_ids":[[1,2,3,4,5,6,7,8]],"remote_engine_id":"93d65143-9d8d-4458-9255-c8ab2486bfde","remote_request_id":"chatcmpl-1-8aadca1a","remote_host":"10.0.0.1","remote_port":5600,"tp_size":1}';

const head = 'HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 01:31:12 GMT\r\nserver: uvicorn\r\n';
const whole = (body: string): Buffer =>
  Buffer.from(`${head}content-length: ${body.length}\r\ncontent-type: application/json\r\n\r\n${body}`);

const completion = `"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m",${choices},${usage}`;
export const plainAnswer = whole(`{${completion}}`);
export const prefillAnswer = whole(`{${completion},${handover}}`);

const event = (payload: string): string => {
  const data = `data: ${payload}\n\n`;
  return `${data.length.toString(16)}\r\n${data}\r\n`;
};
export const streamHead = Buffer.from(
  `${head}content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n`,
);
/** 214 bytes of event, as vLLM writes a token. */
export const tokenEvent = Buffer.from(
  event(
    '{"id":"chatcmpl-9dd998d96957c382","object":"chat.completion.chunk","created":1795225234,"model":"m","choices":[{"index":0,"delta":{"content":"token"},"logprobs":null,"finish_reason":null,"token_ids":null}]}',
  ),
);
export const streamEnd = Buffer.from(`${event('[DONE]')}0\r\n\r\n`);
export const prefillStream = Buffer.concat([streamHead, tokenEvent, streamEnd]);

const probes: Readonly<Record<string, Buffer>> = {
  '/v1/models': whole(
    '{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"vllm","root":"m","parent":null,"max_model_len":131072}]}',
  ),
  '/get_model_info': whole('{"model_path":"m","tokenizer_path":"m","is_generation":true}'),
  '/model_info': whole('{"model_path":"m","tokenizer_path":"m","is_generation":true}'),
  '/get_server_info': whole(
    '{"model_path":"m","served_model_name":"m","tp_size":1,"dp_size":1,"max_running_requests":1000}',
  ),
  '/server_info': whole(
    '{"model_path":"m","served_model_name":"m","tp_size":1,"dp_size":1,"max_running_requests":1000}',
  ),
  '/version': whole('{"version":"0.32.0"}'),
  '/get_load': whole('[{"dp_rank":0,"num_reqs":0,"num_waiting_reqs":0,"num_tokens":0}]'),
};
const healthy = whole('');
const unknown = Buffer.from(
  'HTTP/1.1 404 Not Found\r\ncontent-length: 22\r\ncontent-type: application/json\r\n\r\n{"detail":"Not Found"}',
);

/** What the engines were asked so far, for the bench itself. */
export const legsAnswer = (legs: object): Buffer => whole(JSON.stringify(legs));

/** What routers ask before they trust an engine. */
export function probeAnswer(requestHead: string): Buffer {
  const path = /^[A-Z]+ ([^ ?]+)/.exec(requestHead)?.[1] ?? '';
  if (path === '/health' || path === '/health_generate' || path === '/') return healthy;
  return probes[path] ?? unknown;
}
