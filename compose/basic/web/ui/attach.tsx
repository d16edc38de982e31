import { useRef, useState } from "react";
import { upload } from "../api/client.ts";
import { Icon } from "./icons.tsx";

/** As the sources tell attachments apart. */
function kindOf(file: File): string {
  const kind = file.type.split("/")[0] ?? "";
  return ["image", "audio", "video"].includes(kind) ? kind : "file";
}

/** Chooses a file, brings it to the platform, and sends it. `onProblem` with null: there is none any more. */
export function Attach({ onSend, onProblem }: { onSend: (content: unknown) => void; onProblem: (problem: string | null) => void }) {
  const chooser = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const take = async (file: File) => {
    setBusy(true);
    onProblem(null);
    try {
      const url = await upload(file);
      onSend({ attachment: { type: kindOf(file), payload: { is_reusable: true, url } } });
    } catch (error) {
      onProblem(`${file.name} was not sent. ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <input
        ref={chooser}
        type="file"
        hidden
        aria-label="File to send"
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          if (file) void take(file);
        }}
      />
      <button
        type="button"
        className="plain square"
        aria-label="Attach a file"
        title="Attach a file (up to 25 MB)"
        disabled={busy}
        aria-busy={busy}
        onClick={() => chooser.current?.click()}
      >
        <Icon name="clip" />
      </button>
    </>
  );
}
