/** Keeps a mistake in one screen from taking the whole page away: says what happened, and how to go on. */
import { Component, type ReactNode } from "react";
import { Notice } from "./States";

interface Props {
  /** Another place is tried anew. */
  place: string;
  children: ReactNode;
}

interface State {
  error: Error | null;
  place: string;
}

export class Boundary extends Component<Props, State> {
  override state: State = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: Error): Partial<State> {
    return { error };
  }

  static getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.place === state.place ? null : { error: null, place: props.place };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Notice title="This screen has failed" tone="bad">
        <p>The console could not draw what the hub told: <code>{error.message}</code></p>
        <p>Perhaps page and hub are of different versions: load the page again. The other screens still work.</p>
        <button type="button" className="primary" onClick={() => window.location.reload()}>Load again</button>
      </Notice>
    );
  }
}
