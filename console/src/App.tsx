/** Which screen an address shows. Every path that is none goes to the flows, as in the original. */
import { lazy, Suspense, useEffect } from "react";
import { useAddress } from "./address/address";
import { scopeOf } from "./address/scope";
import { EndpointsScreen } from "./endpoints/EndpointsScreen";
import { FlowsScreen } from "./flows/FlowsScreen";
import { Frame } from "./frame/Frame";
import { Boundary } from "./parts/Boundary";
import { Loading } from "./parts/States";
import { PoliciesScreen } from "./policies/PoliciesScreen";

const MapScreen = lazy(() => import("./map/MapScreen"));

const TITLES: Record<string, string> = { map: "Map", policies: "Policies", endpoints: "Endpoints" };

export function App() {
  const { screen, params } = useAddress();
  const scope = scopeOf(params);
  const place = screen.split("/")[0] ?? "";
  const title = TITLES[place] ?? "Flows";
  useEffect(() => {
    document.title = `${title} · ocicat`;
  }, [title]);
  return (
    <Frame screen={place in TITLES ? place : "flow-logs"} scope={scope}>
      <Boundary place={place}>
        {place === "map" && <Suspense fallback={<Loading what="the map" />}><MapScreen scope={scope} /></Suspense>}
        {place === "policies" && <PoliciesScreen scope={scope} />}
        {place === "endpoints" && <EndpointsScreen scope={scope} />}
        {!(place in TITLES) && <FlowsScreen scope={scope} denied={screen.endsWith("denied-flows")} />}
      </Boundary>
    </Frame>
  );
}
