import { useEffect } from "react";
import type { Inbox } from "../state/inbox.ts";
import { Icon } from "./icons.tsx";

const SHOWN_MS = 8_000;

/** What the last action came to, with a way back where there is one. */
export function Notice({ notice, onDismiss }: { notice: Inbox["notice"]; onDismiss: () => void }) {
  useEffect(() => {
    if (notice === null) return;
    const later = setTimeout(onDismiss, SHOWN_MS);
    return () => clearTimeout(later);
  }, [notice, onDismiss]);
  return (
    <div className="toasts" role="status">
      {notice !== null && (
        <div className="toast">
          <p>{notice.text}</p>
          {notice.undo !== null && (
            <button
              type="button"
              className="plain"
              onClick={() => {
                notice.undo?.();
                onDismiss();
              }}
            >
              Undo
            </button>
          )}
          <button type="button" className="plain square" aria-label="Dismiss" onClick={onDismiss}>
            <Icon name="cross" />
          </button>
        </div>
      )}
    </div>
  );
}
