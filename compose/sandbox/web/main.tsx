import { createRoot } from "react-dom/client";
import { takeToken } from "./api.ts";
import { App } from "./app.tsx";
import "./main.css";

const root = document.getElementById("chat");
if (root) createRoot(root).render(<App token={takeToken()} />);
