import type { LifecycleHandler } from '../../api/kube.js';
import { env } from '../../api/names.js';
import type { PodReading } from '../reading/types.js';

/** What the drain hook waits for, in the words of the engine's own metrics. */
export interface DrainOrder {
  /** Whose engine is looked at: a worker without an API waits for its entry pod. */
  readonly engineOf: 'pod' | 'entry';
  readonly port: number;
  readonly metricsPath: string;
  /** The hook gives up after this, so that the engine still gets its SIGTERM within the grace period. */
  readonly seconds: number;
  /** Gauges that must all read 0; a name that the engine does not export counts as 0. */
  readonly gauges: readonly string[];
}

/** Seconds of the grace period that remain for the engine's own shutdown. */
const shutdownSeconds = 10;

/**
 * Idle means twice in a row, a second apart: the router may hear of the deletion after the first look. The engine listens
 * on the pod's address, or on loopback alone; one that answers on neither has nothing to wait for.
 */
const script = [
  'import os,sys,time,urllib.request as u',
  'port,path,limit,names=sys.argv[1],sys.argv[2],time.time()+float(sys.argv[3]),set(sys.argv[4].split(","))',
  'ip=os.environ.get(sys.argv[5]) or "127.0.0.1"',
  'hosts=["[%s]"%ip if ":" in ip else ip]+["127.0.0.1"]*(sys.argv[5]=="POD_IP")',
  'def look():',
  '  for host in hosts:',
  '    try: return u.urlopen("http://%s:%s%s"%(host,port,path),timeout=3).read().decode()',
  '    except OSError: pass',
  'quiet=0',
  'while quiet<2 and time.time()<limit:',
  '  text=look()',
  '  if text is None: break',
  '  rows=[l.rsplit(" ",1) for l in text.splitlines() if l and l[0]!="#"]',
  '  busy=sum(float(r[1]) for r in rows if len(r)==2 and r[0].split("{")[0] in names)',
  '  quiet=0 if busy>0 else quiet+1',
  '  time.sleep(1)',
].join('\n');

/** The order for a pod: no running or waiting request, and on prefill no KV that waits to be pulled. */
export function drainOrder(
  { engine, side }: PodReading,
  graceSeconds: number,
  engineOf: DrainOrder['engineOf'] = 'pod',
): DrainOrder {
  const { metricsPath, idle, released } = engine.profile.drain;
  return {
    engineOf,
    port: engine.port,
    metricsPath,
    seconds: Math.max(1, graceSeconds - shutdownSeconds),
    gauges: side === 'prefill' ? [...idle, ...released] : idle,
  };
}

/** The preStop hook: python3 is in every engine image, curl and the like are not. */
export function drainHook({ engineOf, port, metricsPath, seconds, gauges }: DrainOrder): LifecycleHandler {
  const address = addressVariables[engineOf];
  const command = ['python3', '-c', script, String(port), metricsPath, String(seconds), gauges.join(','), address];
  return { exec: { command } };
}

/** Environment of the container that holds the engine's address. */
const addressVariables = { pod: 'POD_IP', entry: env.entryAddress } as const;
