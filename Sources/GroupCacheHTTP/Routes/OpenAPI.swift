// SPDX-License-Identifier: Apache-2.0

/// All routes for clients, as a document of OpenAPI 3.1: what `/openapi.yaml` answers. A test holds it against ``RouteTable``.
enum OpenAPI {
    static let document = #"""
        openapi: 3.1.0
        info:
          title: GroupCache
          version: "1"
          summary: A node of a distributed group cache, for people and programs.
          description: >
            Any node can be asked for any key. Errors are objects of kind Status. Peers speak to each other under /_groupcache/, which is not described here.
          license: { name: See the repository }
        servers:
          - url: http://127.0.0.1:8001
        tags:
          - name: keys
          - name: watch
          - name: cluster
        security:
          - {}
          - token: []
        paths:
          /v1/groups:
            get:
              tags: [cluster]
              operationId: listGroups
              summary: The groups of this node.
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
            head:
              tags: [cluster]
              operationId: headGroups
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/groups/{group}:
            parameters: [{ $ref: "#/components/parameters/group" }]
            get:
              tags: [cluster]
              operationId: getGroup
              summary: Settings and counters of a group.
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
            head:
              tags: [cluster]
              operationId: headGroup
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/groups/{group}/stats:
            parameters: [{ $ref: "#/components/parameters/group" }]
            get:
              tags: [cluster]
              operationId: getStatistics
              summary: Counters of a group, of this node or of all.
              parameters:
                - { name: scope, in: query, schema: { enum: [node, cluster] } }
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
            head:
              tags: [cluster]
              operationId: headStatistics
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/groups/{group}/keys:
            parameters: [{ $ref: "#/components/parameters/group" }]
            get:
              tags: [keys, watch]
              operationId: listKeys
              summary: What this node holds of a group, page by page; with watch=true what changes.
              description: >
                All pages have the version of the first. A watch from that version together with the pages is whole. A limit of 0 answers the version alone.
              parameters:
                - { name: limit, in: query, schema: { type: integer, minimum: 0, default: 500 } }
                - { name: continue, in: query, description: The metadata.continue of the page before., schema: { type: string } }
                - { $ref: "#/components/parameters/resourceVersion" }
                - { $ref: "#/components/parameters/resourceVersionMatch" }
                - { $ref: "#/components/parameters/prefix" }
                - { name: watch, in: query, schema: { type: boolean, default: false } }
                - { $ref: "#/components/parameters/timeoutSeconds" }
                - { $ref: "#/components/parameters/allowWatchBookmarks" }
                - { $ref: "#/components/parameters/heartbeatSeconds" }
                - { $ref: "#/components/parameters/sendInitialEvents" }
                - { $ref: "#/components/parameters/values" }
              responses:
                "200":
                  description: A list, or a stream of events.
                  content:
                    application/json: { schema: { anyOf: [{ $ref: "#/components/schemas/KeyList" }, { $ref: "#/components/schemas/Event" }] } }
                    text/event-stream: { schema: { type: string } }
                "101": { $ref: "#/components/responses/Socket" }
                "410": { $ref: "#/components/responses/Expired" }
                default: { $ref: "#/components/responses/Failure" }
            head:
              tags: [keys]
              operationId: headKeys
              responses: { default: { $ref: "#/components/responses/Head" } }
            delete:
              tags: [keys]
              operationId: clearGroup
              summary: Remove every value of the group from all nodes.
              parameters: [{ $ref: "#/components/parameters/wait" }, { $ref: "#/components/parameters/waitSeconds" }]
              responses: { "204": { description: It is done. }, "202": { $ref: "#/components/responses/Pending" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/groups/{group}/keys:get:
            parameters: [{ $ref: "#/components/parameters/group" }]
            post:
              tags: [keys]
              operationId: getKeys
              summary: Many values, a JSON line each, as they arrive.
              requestBody:
                required: true
                content:
                  application/json:
                    schema: { type: object, required: [keys], properties: { keys: { type: array, items: { type: string } } } }
              responses:
                "200": { description: A line for each key., content: { application/jsonl: { schema: { type: string } } } }
                default: { $ref: "#/components/responses/Failure" }
          /v1/groups/{group}/keys/{key}:
            parameters: [{ $ref: "#/components/parameters/group" }, { $ref: "#/components/parameters/key" }]
            get:
              tags: [keys, watch]
              operationId: getKey
              summary: The value of a key; with watch=true what changes of it.
              parameters:
                - { name: watch, in: query, schema: { type: boolean, default: false } }
                - { name: If-None-Match, in: header, schema: { type: string } }
              responses:
                "200":
                  description: The value, in its own media type, or a stream of events.
                  headers:
                    ETag: { schema: { type: string } }
                    Age: { schema: { type: integer } }
                    Cache-Status: { schema: { type: string } }
                  content:
                    application/octet-stream: { schema: {} }
                    "*/*": { schema: {} }
                "206": { description: A part of it., content: { "*/*": { schema: {} } } }
                "304": { description: It is as it was. }
                default: { $ref: "#/components/responses/Failure" }
            head:
              tags: [keys]
              operationId: headKey
              responses: { default: { $ref: "#/components/responses/Head" } }
            put:
              tags: [keys]
              operationId: setKey
              summary: Set a value at the owner of its key.
              parameters:
                - { $ref: "#/components/parameters/wait" }
                - { $ref: "#/components/parameters/waitSeconds" }
                - { name: Cache-Control, in: header, description: "max-age=seconds: how long it is fresh.", schema: { type: string } }
                - { name: Cache-Tag, in: header, schema: { type: string } }
                - { name: If-Match, in: header, schema: { type: string } }
                - { name: If-None-Match, in: header, schema: { type: string } }
              requestBody: { required: true, content: { "*/*": { schema: {} } } }
              responses:
                "201": { description: There was nothing there before. }
                "204": { description: It is done. }
                "202": { $ref: "#/components/responses/Pending" }
                default: { $ref: "#/components/responses/Failure" }
            delete:
              tags: [keys]
              operationId: removeKey
              summary: Remove a value.
              parameters: [{ $ref: "#/components/parameters/wait" }, { $ref: "#/components/parameters/waitSeconds" }]
              responses: { "204": { description: It is done. }, "202": { $ref: "#/components/responses/Pending" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/groups/{group}/tags/{tag}:
            parameters: [{ $ref: "#/components/parameters/group" }, { name: tag, in: path, required: true, schema: { type: string } }]
            delete:
              tags: [keys]
              operationId: removeTag
              summary: Remove every value that has a tag, from all nodes.
              parameters:
                - { $ref: "#/components/parameters/wait" }
                - { $ref: "#/components/parameters/waitSeconds" }
                - { name: soft, in: query, schema: { type: boolean, default: false } }
              responses: { "204": { description: It is done. }, "202": { $ref: "#/components/responses/Pending" }, default: { $ref: "#/components/responses/Failure" } }
          /v1/watch/groups/{group}:
            parameters: [{ $ref: "#/components/parameters/group" }]
            get:
              tags: [watch]
              operationId: watchGroup
              summary: What changes in a group at this node, as it happens.
              description: >
                A watch tells changes, not contents: that a value is loaded, that its time is over or that it is evicted is not told. A client that
                does not read is cut after 30 seconds.
              parameters:
                - { $ref: "#/components/parameters/resourceVersion" }
                - { $ref: "#/components/parameters/resourceVersionMatch" }
                - { $ref: "#/components/parameters/prefix" }
                - { $ref: "#/components/parameters/timeoutSeconds" }
                - { $ref: "#/components/parameters/allowWatchBookmarks" }
                - { $ref: "#/components/parameters/heartbeatSeconds" }
                - { $ref: "#/components/parameters/sendInitialEvents" }
                - { $ref: "#/components/parameters/values" }
                - { name: Last-Event-ID, in: header, description: Where a browser goes on., schema: { type: string } }
              responses: &events
                "200": { $ref: "#/components/responses/Events" }
                "101": { $ref: "#/components/responses/Socket" }
                "410": { $ref: "#/components/responses/Expired" }
                default: { $ref: "#/components/responses/Failure" }
            head:
              tags: [watch]
              operationId: headWatchGroup
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/watch/members:
            get:
              tags: [watch, cluster]
              operationId: watchMembers
              summary: Who comes, changes and goes.
              parameters:
                - { $ref: "#/components/parameters/resourceVersion" }
                - { $ref: "#/components/parameters/resourceVersionMatch" }
                - { $ref: "#/components/parameters/timeoutSeconds" }
                - { $ref: "#/components/parameters/allowWatchBookmarks" }
                - { $ref: "#/components/parameters/heartbeatSeconds" }
                - { $ref: "#/components/parameters/sendInitialEvents" }
              responses: *events
            head:
              tags: [watch]
              operationId: headWatchMembers
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/members:
            get:
              tags: [cluster, watch]
              operationId: listMembers
              summary: The members as this node knows them; with watch=true what changes.
              parameters:
                - { name: watch, in: query, schema: { type: boolean, default: false } }
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
            head:
              tags: [cluster]
              operationId: headMembers
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/ring:
            get:
              tags: [cluster]
              operationId: getRing
              summary: The ring, and each member's share of the keys.
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
            head:
              tags: [cluster]
              operationId: headRing
              responses: { default: { $ref: "#/components/responses/Head" } }
          /v1/ring/{group}/{key}:
            parameters: [{ $ref: "#/components/parameters/group" }, { $ref: "#/components/parameters/key" }]
            get:
              tags: [cluster]
              operationId: explainKey
              summary: Who owns a key, and why.
              responses: { "200": { $ref: "#/components/responses/Page" }, default: { $ref: "#/components/responses/Failure" } }
            head:
              tags: [cluster]
              operationId: headRingKey
              responses: { default: { $ref: "#/components/responses/Head" } }
          /api:
            get:
              tags: [keys]
              operationId: getRaw
              summary: A value and nothing else, as the tutorial's front end answers it.
              parameters:
                - { name: key, in: query, required: true, schema: { type: string } }
                - { name: group, in: query, schema: { type: string } }
              responses:
                "200": { description: The value., content: { application/octet-stream: { schema: {} }, "*/*": { schema: {} } } }
                default: { $ref: "#/components/responses/Failure" }
            head:
              tags: [keys]
              operationId: headRaw
              responses: { default: { $ref: "#/components/responses/Head" } }
          /openapi.yaml:
            get:
              tags: [cluster]
              operationId: getDescription
              summary: This document.
              responses: { "200": { description: It., content: { application/yaml: { schema: {} } } } }
            head:
              tags: [cluster]
              operationId: headDescription
              responses: { default: { $ref: "#/components/responses/Head" } }
          /livez:
            get:
              tags: [cluster]
              operationId: isAlive
              security: []
              parameters: [{ name: life, in: query, schema: { type: string } }]
              responses: { "200": { $ref: "#/components/responses/Text" }, "421": { $ref: "#/components/responses/Text" } }
            head:
              tags: [cluster]
              operationId: headAlive
              responses: { default: { $ref: "#/components/responses/Head" } }
          /readyz:
            get:
              tags: [cluster]
              operationId: isReady
              security: []
              responses: { "200": { $ref: "#/components/responses/Text" }, "503": { $ref: "#/components/responses/Text" } }
            head:
              tags: [cluster]
              operationId: headReady
              responses: { default: { $ref: "#/components/responses/Head" } }
        components:
          securitySchemes:
            token: { type: http, scheme: bearer }
          parameters:
            group: { name: group, in: path, required: true, schema: { type: string, minLength: 1, maxLength: 128, pattern: "^[A-Za-z0-9._-]+$" } }
            key: { name: key, in: path, required: true, description: Percent-encoded; a slash in it is %2F., schema: { type: string, minLength: 1 } }
            wait: { name: wait, in: query, schema: { enum: [owner, applied] } }
            waitSeconds:
              name: timeoutSeconds
              in: query
              description: "With wait=applied: after so long the answer is 202 and names the nodes that may still serve what was there before."
              schema: { type: integer, minimum: 0, maximum: 86400 }
            prefix: { name: prefix, in: query, description: Only keys that begin so; at most 4096 bytes., schema: { type: string } }
            resourceVersion:
              name: resourceVersion
              in: query
              description: "Of a watch: what came after it, exactly; none or 0: what there is, and then what changes. Of a list: not older than it."
              schema: { type: string }
            resourceVersionMatch: { name: resourceVersionMatch, in: query, schema: { enum: [Exact, NotOlderThan] } }
            timeoutSeconds: { name: timeoutSeconds, in: query, description: When the stream ends; without it after 30 to 60 minutes., schema: { type: integer, minimum: 0 } }
            allowWatchBookmarks: { name: allowWatchBookmarks, in: query, schema: { type: boolean, default: false } }
            heartbeatSeconds: { name: heartbeatSeconds, in: query, description: How long nothing happens before a bookmark; 1 to 60., schema: { type: integer, minimum: 0, default: 60 } }
            sendInitialEvents: { name: sendInitialEvents, in: query, description: Whether what there is comes first., schema: { type: boolean } }
            values: { name: values, in: query, description: Whether keys come with their values., schema: { type: boolean, default: false } }
          responses:
            Page: { description: A page of JSON., content: { application/json: { schema: { type: object, required: [kind] } } } }
            Text: { description: A word., content: { text/plain: { schema: { type: string } } } }
            Head: { description: The head of what GET answers. }
            Pending: { description: "It is made, and not all nodes have heard of it yet: details.nodes.", content: { application/json: { schema: { $ref: "#/components/schemas/Status" } } } }
            Failure: { description: Why it is not answered., content: { application/json: { schema: { $ref: "#/components/schemas/Status" } } } }
            Expired: { description: "The version is too old, or of another life of the node: list anew.", content: { application/json: { schema: { $ref: "#/components/schemas/Status" } } } }
            Socket: { description: A WebSocket with the same events as text messages. }
            Events:
              description: "Events until the time is over: a JSON object a line."
              content:
                application/json: { schema: { $ref: "#/components/schemas/Event" } }
                text/event-stream: { schema: { type: string } }
          schemas:
            Status:
              type: object
              required: [kind, status, code]
              properties:
                kind: { const: Status }
                status: { enum: [Success, Failure] }
                code: { type: integer }
                reason: { type: string }
                message: { type: string }
                details:
                  type: object
                  properties:
                    kind: { type: string }
                    oldest: { type: string }
                    current: { type: string }
                    retryAfterSeconds: { type: integer }
            Metadata:
              type: object
              properties:
                group: { type: string }
                name: { type: string }
                resourceVersion: { type: string }
                etag: { type: string }
                annotations: { type: object, additionalProperties: { type: string } }
            Object:
              type: object
              required: [kind]
              properties:
                kind: { enum: [Key, KeyRange, Member, Status] }
                metadata: { $ref: "#/components/schemas/Metadata" }
                nameBase64: { type: string, description: The key, if it is no text. }
                reason: { type: string, description: "Of a change: set, remove, tag or clear." }
                tag: { type: string }
                soft: { type: boolean }
                size: { type: integer }
                expiresAt: { type: string, format: date-time }
                copy: { type: boolean }
                value: { type: string }
                valueBase64: { type: string }
                elapsedMs: { type: integer }
            Event:
              type: object
              required: [type, object]
              properties:
                type: { enum: [ADDED, MODIFIED, DELETED, BOOKMARK, ERROR] }
                object: { $ref: "#/components/schemas/Object" }
            KeyList:
              type: object
              required: [kind, metadata, items]
              properties:
                kind: { const: KeyList }
                metadata: { type: object, required: [resourceVersion], properties: { resourceVersion: { type: string }, continue: { type: string } } }
                items: { type: array, items: { $ref: "#/components/schemas/Object" } }

        """#
}
