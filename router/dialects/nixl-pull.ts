import type { Pair } from '../../src/core/pairing/choose-pair.js';
import { RawJson, SplicedBody, set } from '../spliced-body.js';
import { WantedKeys } from '../wanted-keys.js';
import { type Dialect, type Handover, missing, oneTokenNoStream } from './dialect.js';

const askForHandover = new RawJson(
  '{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}',
);
const prefillEdits = [...oneTokenNoStream, set('kv_transfer_params', askForHandover)];
const hostKey = new WantedKeys(['remote_host']);

/** NIXL pull, also MooncakeConnectorV1: prefill first; its answer carries what decode must pull. pd-protocols A.1, A.3 */
export const nixlPull: Dialect = {
  name: 'nixl-pull',
  order: 'prefill-then-decode',
  prefill: (request) => request.with(prefillEdits),
  linksLegs: true,
  handover: (answer, pair) => {
    const text = answer.text('kv_transfer_params');
    if (text?.[0] !== 0x7b) return missing('prefill answered without kv_transfer_params');
    return reachable(text, pair);
  },
  decode: (request, handover) => (handover ? request.with([set('kv_transfer_params', handover.value)]) : request),
  // An engine ignores an abort of what it has just computed, and then holds the blocks until their lease ends.
  whenClientLeaves: {
    'during-prefill': 'finish-then-deliver',
    'between-legs': 'deliver-then-abort',
    'during-decode': 'deliver-then-abort',
  },
};

/**
 * An engine that listens on all addresses advertises one that leads decode back to itself (pd-protocols A.1.1, 4). Only
 * such an address is replaced: any other may be meant, behind NAT or on a second network.
 */
function reachable(text: Buffer, { prefill, decode }: Pair): Handover {
  const host = SplicedBody.scan(text, hostKey);
  const advertised = host.value('remote_host');
  if (
    typeof advertised !== 'string' ||
    !leadsNowhere(advertised) ||
    advertised === prefill.ip ||
    prefill.ip === decode.ip
  ) {
    return { value: new RawJson(text), repairs: [] };
  }
  const repaired = host.with([set('remote_host', prefill.ip)]).whole();
  return { value: new RawJson(repaired), repairs: [`remote_host ${advertised}`] };
}

function leadsNowhere(host: string): boolean {
  return (
    host === '' ||
    host === '0.0.0.0' ||
    host === '::' ||
    host === '::1' ||
    host === 'localhost' ||
    host.startsWith('127.')
  );
}
