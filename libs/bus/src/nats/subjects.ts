import { checkName, checkToken } from '../names.js';

/**
 * The subjects of bus version 1 (docs/bus.md is the authority).
 *
 *     {prefix}.v1.to.{address}.{channel}     lists of the hot path
 *     {prefix}.v1.ask.{address}.{subject}    requests to one participant
 *     {prefix}.v1.ask.any.{subject}          requests to anybody (queue group `any`)
 *     {prefix}.v1.topic.{topic}              broadcasts
 *     {prefix}.v1.held.{address}             pieces of held bytes
 *     {prefix}.v1.release.{address}          held bytes that are no longer needed
 *     {prefix}.inbox.{role}.{address}.>      answers to one participant, private to its role
 */
export class Subjects {
  private readonly root: string;

  constructor(private readonly prefix: string) {
    checkName('prefix', prefix);
    this.root = `${prefix}.v1`;
  }

  to(address: string, channel: string): string {
    return `${this.root}.to.${checkName('address', address)}.${checkToken('channel', channel)}`;
  }

  ask(address: string | undefined, subject: string): string {
    return `${this.root}.ask.${address === undefined ? 'any' : checkName('address', address)}.${checkName('subject', subject)}`;
  }

  topic(topic: string): string {
    return `${this.root}.topic.${checkName('topic', topic)}`;
  }

  held(address: string): string {
    return `${this.root}.held.${checkName('address', address)}`;
  }

  release(address: string): string {
    return `${this.root}.release.${checkName('address', address)}`;
  }

  inbox(role: string, address: string): string {
    return `${this.prefix}.inbox.${checkToken('role', role)}.${checkName('address', address)}`;
  }
}
