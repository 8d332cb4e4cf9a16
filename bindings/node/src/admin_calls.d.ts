import type { Waiting } from '../index';

/** The calls of the REST API that are not generated. */
export class AdminCalls {
  protected constructor();

  /** Sends a request that has no method here. A path that does not begin with / is one below /admin/v2/. */
  request(method: string, path: string, options?: Waiting & { body?: unknown }): Promise<{ status: number; body: any }>;

  /** Gives the full names of all topics, or of those of a tenant, each partition by itself. */
  walkTopics(options?: Waiting & { tenant?: string }): AsyncGenerator<string, void, undefined>;

  /** Replaces the properties of a subscription. */
  setSubscriptionProperties(
    topic: string,
    subscription: string,
    properties: Record<string, string>,
    options?: Waiting,
  ): Promise<void>;
}
