/** Asks the hub. Paths are relative to the page's <base>. */
import { turnedAway } from "./door";
import type { Failure } from "./types";

export type Params = Record<string, string | number | undefined>;

/** The hub said no, or could not be asked. `column` is where in the filter expression the mistake is, from 1. */
export class HubError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly column?: number,
  ) {
    super(message);
    this.name = "HubError";
  }
}

/** Where /login and /logout are. */
export const doorOf = (path: "login" | "logout"): string => new URL(path, document.baseURI).href;

/** The address of one of the hub's paths below /api/v1. Empty parameters are left out. */
export function addressOf(path: string, params: Params = {}): string {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== "") url.searchParams.set(key, String(value));
  }
  return url.href;
}

async function failureOf(response: Response): Promise<HubError> {
  try {
    const body = (await response.json()) as Failure;
    return new HubError(body.error, response.status, body.column);
  } catch {
    return new HubError(`the hub answered with status ${response.status}`, response.status);
  }
}

/** GET a JSON answer. Raises HubError. */
export async function ask<Answer>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(addressOf(path, params), { signal: signal ?? null, headers: { Accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new HubError("the hub does not answer", 0);
  }
  if (response.status === 401) turnedAway();
  if (!response.ok) throw await failureOf(response);
  return (await response.json()) as Answer;
}

/** POST to the door. False: the token is not taken. Raises HubError. */
export async function knock(path: "login" | "logout", body: object = {}): Promise<boolean> {
  let response: Response;
  try {
    response = await fetch(doorOf(path), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new HubError("the hub does not answer", 0);
  }
  if (response.status === 401) return false;
  if (!response.ok) throw await failureOf(response);
  return true;
}
