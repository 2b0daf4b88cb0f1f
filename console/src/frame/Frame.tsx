/** What surrounds every screen: the rail at the left, and the bar on top with what travels along. */
import type { ReactNode } from "react";
import { alter } from "../address/address";
import type { Scope } from "../address/scope";
import { useStatus } from "../api/queries";
import { ScreenLink } from "../parts/Name";
import { Help } from "./Help";
import { Icon } from "./Icon";
import { LiveLight } from "./LiveLight";
import { Login } from "./Login";
import { Search } from "./Search";
import { chooseTheme, useTheme } from "./theme";
import { TimePicker } from "./TimePicker";
import { Visitor } from "./Visitor";

const SCREENS = [
  ["flow-logs", "Flows"],
  ["map", "Map"],
  ["policies", "Policies"],
  ["endpoints", "Endpoints"],
] as const;

function Rail({ current }: { current: string }) {
  return (
    <nav className="rail" aria-label="Screens">
      <ScreenLink screen="flow-logs" className="brand" title="ocicat">
        <Icon name="brand" />
        <span className="said">ocicat: to the flows</span>
      </ScreenLink>
      {SCREENS.map(([screen, title]) => (
        <ScreenLink key={screen} screen={screen} className={current === screen ? "place here" : "place"}>
          <Icon name={screen} />
          <span aria-current={current === screen ? "page" : undefined}>{title}</span>
        </ScreenLink>
      ))}
    </nav>
  );
}

function NamespacePicker({ namespace }: { namespace: string }) {
  const known = useStatus().data?.namespaces ?? [];
  const names = namespace && !known.includes(namespace) ? [namespace, ...known] : known;
  return (
    <label className="pick">
      <span className="faint">Namespace</span>
      <select value={namespace} onChange={(event) => alter({ namespace: event.target.value || null })}>
        <option value="">all</option>
        {names.map((name) => <option key={name}>{name}</option>)}
      </select>
    </label>
  );
}

const NEXT = { system: "dark", dark: "light", light: "system" } as const;

function ThemeButton() {
  const theme = useTheme();
  const name = `Colours: ${theme === "system" ? "as the system has them" : theme}. Change to ${NEXT[theme]}`;
  return (
    <button type="button" className="quiet" aria-label={name} title={name} onClick={() => chooseTheme(NEXT[theme])}>
      <Icon name={theme} />
    </button>
  );
}

export function Frame({ screen, scope, children }: { screen: string; scope: Scope; children: ReactNode }) {
  return (
    <div className="frame">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
      <Rail current={screen.split("/")[0] ?? ""} />
      <header className="bar">
        <NamespacePicker namespace={scope.namespace} />
        <Search />
        <TimePicker range={scope.range} />
        <LiveLight past={scope.range.kind === "past"} />
        <ThemeButton />
        <Visitor />
        <Help />
      </header>
      <main id="main" tabIndex={-1}>{children}</main>
      <Login />
    </div>
  );
}
