"use strict";

// Where the page is served, operations are answered.
const url = location.origin + location.pathname;
const socketUrl = url.replace(/^http/, "ws");

const firstQuery = `# Your key goes below, under Headers, after "Bearer ".
# Then load the schema by the arrows in the corner.

{
  now
}
`;

async function post(request, headers) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
  return response.json();
}

// A subscription over graphql-transport-ws: one socket each, which is all that a page needs.
function subscribe(request, headers) {
  const given = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization");
  return {
    subscribe(observer) {
      const socket = new WebSocket(socketUrl, "graphql-transport-ws");
      const send = (message) => socket.send(JSON.stringify(message));
      let ended = false;
      const end = (how) => {
        if (!ended) {
          ended = true;
          how();
          socket.close(1000);
        }
      };
      socket.onopen = () =>
        send({ type: "connection_init", payload: { authorization: given ? given[1] : "" } });
      socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === "connection_ack") {
          send({ id: "1", type: "subscribe", payload: request });
        } else if (message.type === "ping") {
          send({ type: "pong" });
        } else if (message.type === "next") {
          observer.next(message.payload);
        } else if (message.type === "error") {
          end(() => observer.error({ errors: message.payload }));
        } else if (message.type === "complete") {
          end(() => observer.complete());
        }
      };
      socket.onclose = (event) =>
        end(() => observer.error(new Error(`closed: ${event.code} ${event.reason}`)));
      return { unsubscribe: () => end(() => {}) };
    },
  };
}

function isSubscription(request, options) {
  const documentNode = options && options.documentAST;
  const operations = documentNode ? documentNode.definitions : [];
  return operations.some(
    (node) =>
      node.kind === "OperationDefinition" &&
      node.operation === "subscription" &&
      (!request.operationName || (node.name && node.name.value === request.operationName)),
  );
}

function fetcher(request, options) {
  const headers = (options && options.headers) || {};
  return isSubscription(request, options) ? subscribe(request, headers) : post(request, headers);
}

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultQuery: firstQuery,
    defaultHeaders: JSON.stringify({ Authorization: "Bearer " }, null, 2),
    defaultEditorToolsVisibility: "headers",
    shouldPersistHeaders: false,
  }),
);
