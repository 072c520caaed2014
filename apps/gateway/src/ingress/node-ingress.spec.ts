import { ingressContract } from '../edge/ingress.contract.js';
import { NodeIngress } from './node-ingress.js';

ingressContract('NodeIngress', () => new NodeIngress());
