import type { Label } from './declaration.js';

/** Values that a label of names out of servables keeps. */
const mostNames = 1000;

/** A label whose values come from servables: a method, a model. */
export function nameLabel(name: string): Label {
  return { name, most: mostNames };
}

/** The labels of what is counted of a servable version. */
export const versionLabels: readonly Label[] = [nameLabel('servable'), nameLabel('version')];

/** The labels of what is counted of a method of a servable version. */
export const methodLabels: readonly Label[] = [...versionLabels, nameLabel('method')];

/** A label of replicas. To be used where those that are gone are forgotten (Series.clear). */
export const replicaLabel: Label = nameLabel('replica');

/** A label of the devices of one worker, by number. */
export const deviceLabel: Label = { name: 'device', most: 64 };
