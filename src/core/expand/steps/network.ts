import { engineAt } from '../subject.js';
import type { Addition, Step, Subject } from '../types.js';

/** The network card over which KV moves, where the serving or a profile of the cluster says which: nobody else can know its name. */
export const network: Step = {
  name: 'network',
  readAgain: 'all',
  additions: (subject) => {
    const card = cardFor(subject);
    if (card === undefined) return [];
    return (['limits', 'requests'] as const).map(
      (part): Addition => ({
        kind: 'field',
        place: [...engineAt(subject), 'resources', part, card.resource],
        value: String(card.count),
        by: card.by,
        because: card.because,
        source: card.source,
      }),
    );
  },
};

function cardFor({ reading, asked, profiles }: Subject) {
  const name = reading.connector?.profile?.name;
  if (reading.connector === undefined) return undefined;
  if (asked.network) {
    const because = 'the network card that tandem.dev/network asks for, the same in every pod that moves KV';
    return { ...asked.network, by: 'tandem', because, source: 'pd-protocols B.1, C-52' };
  }
  const given = profiles.networks.find(({ give }) => give?.connectors.includes(name ?? ''));
  return given?.give && { ...given.give, by: given.name, because: given.because, source: given.source };
}
