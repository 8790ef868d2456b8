// SPDX-License-Identifier: Apache-2.0

import Informers

extension InformerEvent where Object == Item {
    /// `+a1` came, `=a1` was in the first list, `~a1>2` changed, `-a1` went, `†a1` had gone, `!` all of them.
    var short: String {
        switch self {
        case .added(let item, let isInInitialList): "\(isInInitialList ? "=" : "+")\(item.name)\(item.value)"
        case .updated(let old, let new, let recreated): "\(recreated ? "~~" : "~")\(new.name)\(old.value)>\(new.value)"
        case .deleted(let deletion):
            if let tombstone = deletion.tombstone {
                "†\(tombstone.key)\(tombstone.object.map { "\($0.value)" } ?? "")"
            } else {
                "-\(deletion.object?.name ?? "")\(deletion.object?.value ?? 0)"
            }
        case .reset(let items): "!" + items.sorted { $0.name < $1.name }.map { "\($0.name)\($0.value)" }.joined(separator: ",")
        }
    }
}
