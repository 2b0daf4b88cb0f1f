/** Who is logged in at an exposed hub, what he sees, and the way out. Nothing where no login is needed. */
import { useState } from "react";
import { doorOf, knock } from "../api/client";
import { useSession } from "../api/queries";
import type { Session } from "../api/types";
import { counted } from "../format/numbers";
import { Popover } from "../parts/Popover";
import { Icon } from "./Icon";

function sightWord({ all_namespaces, namespaces }: Session): string {
  if (all_namespaces) return "Sees all namespaces.";
  return namespaces.length ? `Sees ${counted(namespaces.length, "namespace")}: ${namespaces.join(", ")}.` : "Sees no namespace: nobody has given the right to list its network policies.";
}

function LogOut() {
  const [failed, setFailed] = useState("");
  const leave = (): void => {
    knock("logout").then(() => window.location.assign(doorOf("login")), (error: Error) => setFailed(error.message));
  };
  return (
    <>
      <button type="button" onClick={leave}>Log out</button>
      {failed && <p className="mistake" role="alert">Not logged out: {failed}.</p>}
    </>
  );
}

export function Visitor() {
  const session = useSession().data;
  if (!session || session.login === "none") return null;
  const name = session.user || "the hub's token";
  return (
    <Popover className="quiet visitor" align="end" name={`Logged in as ${name}`} label={<><Icon name="visitor" /><span className="said">Logged in as {name}</span></>}>
      {() => (
        <div className="pad stack">
          <div><h2>Logged in as</h2><p className="mono">{name}</p></div>
          <p className="faint">{sightWord(session)}{session.shared_policies ? "" : " Policies without namespace are shown without their words."}</p>
          <div><LogOut /></div>
        </div>
      )}
    </Popover>
  );
}
