/**
 * What an exposed hub asks for when a session has ended: a token, over the page, which stays as it was.
 *
 * Who comes without a session at all never gets this page: the hub sends its own login form instead.
 */
import { useEffect, useRef, useState, useSyncExternalStore, type FormEvent } from "react";
import { isAway, subscribe } from "../api/door";
import { knock } from "../api/client";

function useLogin(): { token: string; type: (token: string) => void; said: string; busy: boolean; send: (event: FormEvent) => void } {
  const [token, setToken] = useState("");
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const send = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    knock("login", { token: token.trim() })
      .then((taken) => {
        // The address holds the view: loading it again shows the same, with streams that begin anew.
        if (taken) window.location.reload();
        else setSaid("This token is not taken.");
      })
      .catch((error: Error) => setSaid(`${error.message}.`))
      .finally(() => setBusy(false));
  };
  return { token, type: (next) => { setToken(next); setSaid(""); }, said, busy, send };
}

export function Login() {
  const away = useSyncExternalStore(subscribe, isAway);
  const dialog = useRef<HTMLDialogElement>(null);
  const { token, type, said, busy, send } = useLogin();
  useEffect(() => {
    if (away && !dialog.current?.open) dialog.current?.showModal();
  }, [away]);
  return (
    <dialog ref={dialog} className="help login" aria-labelledby="login-title" onCancel={(event) => event.preventDefault()}>
      <form className="stack" onSubmit={send}>
        <h2 id="login-title">Your session has ended</h2>
        <p>Log in again to go on. The view stays as it is.</p>
        <label>
          Token
          <input type="password" autoComplete="current-password" required value={token} aria-invalid={said ? true : undefined} aria-describedby="login-said" onChange={(event) => type(event.target.value)} />
        </label>
        <p id="login-said" className="mistake" role="alert">{said}</p>
        <button type="submit" className="primary" disabled={busy || !token.trim()}>{busy ? "Logging in …" : "Log in"}</button>
      </form>
    </dialog>
  );
}
