/** Nest's transport of the scheduler's control messages: tells its handlers from those of others in the same application. */
export const schedulerBus = Symbol('bus of the scheduler');
