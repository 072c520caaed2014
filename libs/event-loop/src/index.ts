export { DeadlineHeap, type Expiring } from './deadline-heap.js';
export { DeadlineTimer } from './deadline-timer.js';
export { emptyList } from './empty-list.js';
export { EndOfTurn, soon, type TurnPhase } from './end-of-turn.js';
export { maxTimerMs, timerMs } from './timer-ms.js';
export { WakeTimer } from './wake-timer.js';
