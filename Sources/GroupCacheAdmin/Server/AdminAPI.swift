// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

extension Admin {
    /// `GET /openapi.yaml`.
    func addDescription(to routes: inout AdminRoutes) {
        routes.on(.get, "/openapi.yaml", .nothing) { request in
            try request.allowParameters()
            return Response(
                status: .ok,
                headers: [.contentType: "application/yaml", .cacheControl: "no-cache"],
                body: .init(byteBuffer: ByteBuffer(string: AdminAPI.document))
            )
        }
    }
}

/// All routes of the admin port, as a document of OpenAPI 3.1. A test holds it against the table of routes, what each needs included.
enum AdminAPI {
    static let document = #"""
        openapi: 3.1.0
        info:
          title: GroupCache, admin port
          version: "1"
          summary: What is asked of a node by whoever runs it.
          description: >
            Reading needs a token only where the node is told so; what shows keys or changes something always does. Errors are objects of kind Status.
          license: { name: See the repository }
        servers:
          - url: http://127.0.0.1:9001
        tags:
          - name: numbers
          - name: keys
          - name: operations
          - name: logs
          - name: pages
        paths:
          /livez:
            get:
              tags: [numbers]
              operationId: live
              summary: Whether the process answers.
              security: [{}]
              responses: { "200": { $ref: "#/components/responses/Text" }, default: { $ref: "#/components/responses/Failure" } }
          /metrics:
            get:
              tags: [numbers]
              operationId: metrics
              summary: All counters, in Prometheus' text or OpenMetrics 1.0.
              security: [{}, { token: [] }]
              responses:
                "200":
                  description: A line a sample.
                  content:
                    text/plain: { schema: { type: string } }
                    application/openmetrics-text: { schema: { type: string } }
                default: { $ref: "#/components/responses/Failure" }
          /v1/overview:
            get:
              tags: [numbers]
              operationId: overview
              summary: The nodes, their health as this one sees it, and the counters of each group.
              security: [{}, { token: [] }]
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/memory:
            get:
              tags: [numbers]
              operationId: memory
              summary: Entries and bytes, by group and by part of its store.
              security: [{}, { token: [] }]
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/changes:
            get:
              tags: [keys]
              operationId: changes
              summary: The last changes of keys that this node owns, at most 100; without a token they are shown without their keys.
              security: [{}, { token: [] }]
              parameters:
                - { name: after, in: query, description: The number of a change., schema: { type: integer, minimum: 0 } }
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/groups/{group}/keys/{key}/explain:
            get:
              tags: [keys]
              operationId: explain
              summary: Why a get of a key would be a hit or a miss here, who owns it, and what the other nodes hold of it.
              description: The other nodes are asked for at most half a second. Nothing is loaded, and nothing counted.
              security: [{}, { token: [] }]
              parameters:
                - { name: group, in: path, required: true, schema: { type: string } }
                - { name: key, in: path, required: true, description: Percent-encoded; any bytes., schema: { type: string, maxLength: 4096 } }
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/hotkeys:
            get:
              tags: [keys]
              operationId: hotKeys
              summary: The keys that are hit most on this node, sampled while the client waits.
              security: [{ token: [] }]
              parameters:
                - { name: group, in: query, description: Of this group alone., schema: { type: string } }
                - { name: for, in: query, description: "How long to look, 50ms to 30s.", schema: { type: string, default: 1s } }
                - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 512, default: 20 } }
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/loglevel:
            get:
              tags: [logs]
              operationId: logLevel
              summary: From which level on each label logs.
              security: [{}, { token: [] }]
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
            put:
              tags: [logs]
              operationId: setLogLevel
              summary: Change it while the node runs.
              security: [{ token: [] }]
              requestBody:
                required: true
                content:
                  application/json:
                    schema:
                      type: object
                      properties:
                        level: { type: string, description: Of all labels., enum: [trace, debug, info, notice, warning, error, critical] }
                        pattern: { type: string, description: "Such as groupcache.http*=trace, several with commas between; empty takes all away." }
              responses: { "200": { $ref: "#/components/responses/Object" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/operations:
            get:
              tags: [operations]
              operationId: operations
              summary: All operations, by number; with watch=true what happens to them.
              security: [{}, { token: [] }]
              parameters: [{ name: watch, in: query, schema: { type: boolean, default: false } }]
              responses: { "200": { $ref: "#/components/responses/Events" }, default: { $ref: "#/components/responses/Failure" } }
            post:
              tags: [operations]
              operationId: startOperation
              summary: Start one.
              security: [{ token: [] }]
              parameters: [{ $ref: "#/components/parameters/wait" }]
              requestBody:
                required: true
                content:
                  application/json:
                    schema:
                      type: object
                      required: [kind]
                      properties:
                        kind: { type: string, enum: [warm, clear, snapshot, restore, drain] }
                        group: { type: string }
                        keys: { type: array, maxItems: 100000, items: { type: string } }
              responses:
                "200": { $ref: "#/components/responses/Operation" }
                "202": { $ref: "#/components/responses/Operation" }
                "429": { $ref: "#/components/responses/Failure" }
                default: { $ref: "#/components/responses/Failure" }
          /v1/watch/operations:
            get:
              tags: [operations]
              operationId: watchOperations
              summary: What happens to operations, as JSON lines or as an event stream.
              security: [{}, { token: [] }]
              parameters:
                - { name: resourceVersion, in: query, schema: { type: string } }
                - { name: timeoutSeconds, in: query, schema: { type: integer, minimum: 1 } }
                - { name: heartbeatSeconds, in: query, schema: { type: integer, minimum: 1 } }
                - { name: allowWatchBookmarks, in: query, schema: { type: boolean } }
              responses: { "200": { $ref: "#/components/responses/Events" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/operations/{id}:
            parameters: [{ name: id, in: path, required: true, schema: { type: integer, minimum: 1 } }]
            get:
              tags: [operations]
              operationId: operation
              summary: One of them; 202 while it has not ended.
              security: [{}, { token: [] }]
              parameters: [{ $ref: "#/components/parameters/wait" }]
              responses:
                "200": { $ref: "#/components/responses/Operation" }
                "202": { $ref: "#/components/responses/Operation" }
                default: { $ref: "#/components/responses/Failure" }
            delete:
              tags: [operations]
              operationId: cancelOperation
              summary: Tell it to stop; 409 when it has ended.
              security: [{ token: [] }]
              parameters: [{ $ref: "#/components/parameters/wait" }]
              responses:
                "200": { $ref: "#/components/responses/Operation" }
                "202": { $ref: "#/components/responses/Operation" }
                default: { $ref: "#/components/responses/Failure" }
          /:
            get:
              tags: [pages]
              operationId: dashboard
              summary: The dashboard.
              security: [{}]
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
          /static/{file}:
            get:
              tags: [pages]
              operationId: file
              summary: The files of the dashboard.
              security: [{}]
              parameters: [{ name: file, in: path, required: true, schema: { type: string } }]
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
          /openapi.yaml:
            get:
              tags: [pages]
              operationId: description
              summary: This document.
              security: [{}]
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
        components:
          securitySchemes:
            token: { type: http, scheme: bearer, description: A line of the admin port's token file. }
          parameters:
            wait: { name: wait, in: query, description: "How long to wait for the end, as in 500ms, 2s, 1m; at most 5m.", schema: { type: string } }
          responses:
            Text: { description: A word., content: { text/plain: { schema: { type: string } } } }
            Page: { description: A file., content: { "*/*": { schema: { type: string } } } }
            Object:
              description: An object with its kind.
              content: { application/json: { schema: { type: object, required: [kind], properties: { kind: { type: string } } } } }
            Operation:
              description: An operation. Its own failure stands in the body.
              headers: { Location: { description: "Of a new one, where it is found.", schema: { type: string } } }
              content: { application/json: { schema: { $ref: "#/components/schemas/Operation" } } }
            Events:
              description: A list, or a line or an event for each thing that happens.
              content:
                application/json: { schema: { type: object } }
                text/event-stream: { schema: { type: string } }
            Failure:
              description: What is wrong.
              content: { application/json: { schema: { $ref: "#/components/schemas/Status" } } }
          schemas:
            Operation:
              type: object
              required: [kind, metadata, id, operation, phase, status, code, done, total]
              properties:
                kind: { const: Operation }
                metadata: { type: object }
                id: { type: integer }
                operation: { type: string }
                group: { type: string }
                phase: { enum: [waiting, running, cancelling, succeeded, failed, cancelled] }
                status: { enum: [Working, Success, Failure] }
                code: { type: integer }
                reason: { type: string }
                message: { type: string }
                details: { type: object }
                createdMs: { type: integer }
                ageMs: { type: integer }
                done: { type: integer }
                total: { type: integer }
                percent: { type: integer, minimum: 0, maximum: 100 }
                remainingMs: { type: integer }
                result: { type: object, additionalProperties: { type: integer } }
            Status:
              type: object
              required: [kind, status, code, message]
              properties:
                kind: { const: Status }
                status: { const: Failure }
                code: { type: integer }
                reason: { type: string }
                message: { type: string }
                details: { type: object }

        """#
}
