/** What the screens ask for, kept fresh while the view is live. */
import { keepPreviousData, QueryClient, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { windowOf, type Range } from "../address/scope";
import { ask, HubError, type Params } from "./client";
import type { Board, EndpointList, FlowDetails, FlowPage, Graph, Hints, Session, Status } from "./types";

const FRESH_MS = 5000;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      placeholderData: keepPreviousData,
      refetchOnWindowFocus: false,
      retry: (times, error) => times < 3 && !(error instanceof HubError && error.status >= 400 && error.status < 500),
      retryDelay: (times) => Math.min(10_000, 1000 * 2 ** times),
    },
  },
});

function useAsked<Answer>(path: string, params: Params, every: number | false = false, enabled = true): UseQueryResult<Answer> {
  return useQuery({
    queryKey: [path, params],
    queryFn: ({ signal }) => ask<Answer>(path, params, signal),
    refetchInterval: every,
    enabled,
  });
}

const pace = (range: Range): number | false => (range.kind === "live" ? FRESH_MS : false);

export const useStatus = () => useAsked<Status>("status", {}, FRESH_MS);

/** Who asks. It changes only with a login, which loads the page anew. */
export const useSession = () => useAsked<Session>("session", {});

export const useBoard = (range: Range) => useAsked<Board>("policies", windowOf(range), pace(range));

export const useEndpoints = (range: Range, namespace: string) => useAsked<EndpointList>("endpoints", { ...windowOf(range), namespace }, pace(range));

export const useGraph = (range: Range, q: string) => useAsked<Graph>("graph", { ...windowOf(range), q }, pace(range));

export const useFlowDetails = (id: string, range: Range) => useAsked<FlowDetails>(`flows/${encodeURIComponent(id)}`, windowOf(range), pace(range));

/** How many connection kinds or flows meet `q`. */
export const useTotal = (q: string, range: Range, group: string) =>
  useAsked<FlowPage>("flows", { ...windowOf(range), q, group, limit: 1 }, pace(range)).data?.total;

export const usePastFlows = (q: string, range: Range, group: string, limit: number) =>
  useAsked<FlowPage>("flows", { ...windowOf(range), q, group, limit }, false, range.kind === "past");

export const useHints = (params: Params, enabled: boolean) => useAsked<Hints>("hints", params, false, enabled);
