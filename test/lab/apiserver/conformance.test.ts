/**
 * The same scenarios against the lab's API server and against kube-apiserver. What the real one answered is recorded in
 * test/fixtures/apiserver; the lab is compared with the recording, and the recording with the real server where there
 * is one. TANDEM_RECORD=1 writes the recording anew.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { startApiServer } from '../../../src/lab/apiserver/server.js';
import { silentLogger } from '../../../src/telemetry/log.js';
import { locateControlPlane, missingControlPlane } from '../../control-plane/locate.js';
import { startControlPlane } from '../../control-plane/start.js';
import { Api, type Endpoint } from './api.js';
import { scenarios } from './scenarios.js';
import { Recorder, type Scenario, type Step } from './transcript.js';

const folder = new URL('../../../../test/fixtures/apiserver/', import.meta.url);
const recording = new URL('kube-1.36.3.json', folder);
type Transcripts = Record<string, readonly Step[]>;

async function play(endpoint: Endpoint, scenario: Scenario, index: number): Promise<readonly Step[]> {
  await using api = new Api(endpoint);
  const namespace = `scenario-${index}`;
  await api.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } });
  const recorder = new Recorder(api);
  await scenario.run(recorder, namespace);
  return recorder.steps;
}

function recorded(): Transcripts {
  return JSON.parse(readFileSync(recording, 'utf8')) as Transcripts;
}

t.test('the lab answers as the recorded kube-apiserver', async (t) => {
  const transcripts = recorded();
  await using server = await startApiServer(
    { host: '127.0.0.1', port: 0, logger: silentLogger, clock: { now: () => Date.now() } },
    new AbortController().signal,
  );
  for (const [index, scenario] of scenarios.entries()) {
    await t.test(scenario.name, async (t) => {
      const steps = await play(server.connection, scenario, index);
      for (const [number, expected] of (transcripts[scenario.name] ?? []).entries()) {
        t.strictSame(steps[number], expected, expected.step);
      }
      t.equal(steps.length, transcripts[scenario.name]?.length, 'the recording has the same steps');
    });
  }
});

const skip = locateControlPlane() === undefined ? missingControlPlane : false;
t.test('the recording is what kube-apiserver answers', { skip }, async (t) => {
  await using plane = await startControlPlane({ controllerManager: true });
  if (plane === undefined) throw new Error(missingControlPlane);
  const endpoint = { server: plane.server, token: plane.token, ca: readFileSync(plane.caFile, 'utf8') };
  const transcripts: Transcripts = {};
  for (const [index, scenario] of scenarios.entries()) {
    transcripts[scenario.name] = await play(endpoint, scenario, index);
  }
  if (process.env['TANDEM_RECORD'] === '1') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(recording, `${JSON.stringify(transcripts, null, 1)}\n`);
  }
  t.strictSame(transcripts, recorded());
});
