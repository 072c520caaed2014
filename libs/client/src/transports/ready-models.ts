import type { ReadyModel } from '../transport.js';

/**
 * Names of models of the Open Inference Protocol as servables and methods. mserve lists them as `servable.method`; a name without a dot is left out. The last
 * dot counts as the one between the two: a servable's name often has dots (`v1.5`), a method's hardly ever. A method that has one is listed in the wrong place.
 */
export function readyModels(listed: readonly { readonly model: string; readonly version: number }[]): readonly ReadyModel[] {
  return listed.flatMap(({ model, version }) => {
    const dot = model.lastIndexOf('.');
    return dot <= 0 ? [] : [{ servable: model.slice(0, dot), method: model.slice(dot + 1), version }];
  });
}
