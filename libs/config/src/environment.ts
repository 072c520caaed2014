import { LayerBuilder, spellings, unknownName, type Layer } from './layers.js';
import { variableOf, type ProgramName } from './setting.js';
import { valueOfText } from './shape.js';

/** Variables; only those that start with MSERVE_ are looked at. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Names the config file. */
export const configVariable = 'MSERVE_CONFIG';

/** What Kubernetes tells every container of a service called mserve or mserve-...: nobody has set these, and they are no settings. */
const serviceLink = /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;

function isServiceLink(name: string, text: string): boolean {
  return serviceLink.test(name) || (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(text));
}

/** Reads the variables. Settings of other programs are fine there: one environment may serve them all. Throws ConfigError for unknown names. */
export function parseEnvironment(env: Environment, program: ProgramName): Layer {
  const byVariable = spellings(variableOf);
  const builder = new LayerBuilder('environment');
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('MSERVE_') || text === undefined || name === configVariable) continue;
    const spelled = byVariable.get(name);
    if (spelled !== undefined) builder.add(spelled.key, name, valueOfText(spelled.setting.shape, text), name);
    else if (!isServiceLink(name, text)) builder.problem(unknownName('environment variable', name, program, variableOf, [configVariable]));
  }
  return builder.done();
}
