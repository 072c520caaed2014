/** Nest's transport of the device-worker's control messages: tells its handlers from those of others in the same application. */
export const workerBus = Symbol('bus of the device-worker');
