/** What a body takes of the room for all bodies, and of memory. */
export interface BodyRoom {
  /** Requests and writes under way that may read the body where it lies. */
  readers: number;
  /** Gives both back. */
  release(): void;
}
